"""What the semantic cache would answer wrongly: `python -m tests.bench.semantic_cache`.

Of pairs of questions that mean the same, how many it finds; of pairs that only sound alike, how many answers
it would give that are wrong. For several thresholds, with the guard and without it, and by the kind of
difference. The encoder is the real one.
"""

import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from models.caching.guard import difference
from models.caching.similar import LEAST_SIMILARITY
from models.encoding import load_encoder

THRESHOLDS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
MOST_WRONG = 0.02
"""Of the answers that the cache gives at its threshold, and of the pairs that only sound alike."""
_PAIRS = Path(__file__).with_name("semantic_pairs.toml")


class Pair(NamedTuple):
    kind: str
    """`same`, or how the two differ."""
    one: str
    other: str
    similarity: float
    guarded: str | None
    """The difference that the guard saw."""


class Row(NamedTuple):
    threshold: float
    is_guarded: bool
    found: int
    of_same: int
    wrong: int
    of_other: int

    @property
    def found_rate(self) -> float:
        return self.found / self.of_same

    @property
    def wrong_rate(self) -> float:
        """Of the pairs that must not be found."""
        return self.wrong / self.of_other


def load_pairs() -> list[tuple[str, str, str]]:
    told = tomllib.loads(_PAIRS.read_text("utf-8"))
    same = [("same", one, other) for one, other in told["same"]]
    return same + [(kind, one, other) for kind, pairs in told["other"].items() for one, other in pairs]


def measured(pairs: Sequence[tuple[str, str, str]]) -> list[Pair]:
    encoder = load_encoder()
    ones = encoder.encode([one for _, one, _ in pairs])
    others = encoder.encode([other for _, _, other in pairs])
    return [
        Pair(kind, one, other, float(a @ b), difference(one, other))
        for (kind, one, other), a, b in zip(pairs, ones, others, strict=True)
    ]


def row(pairs: Iterable[Pair], threshold: float, *, guarded: bool) -> Row:
    given = {"same": [0, 0], "other": [0, 0]}
    for pair in pairs:
        of = given["same" if pair.kind == "same" else "other"]
        of[0] += pair.similarity >= threshold and not (guarded and pair.guarded)
        of[1] += 1
    return Row(threshold, guarded, *given["same"], *given["other"])


def main() -> int:
    pairs = measured(load_pairs())
    print("threshold  guard  found of same   wrong of others  wrong hits")
    for guarded in (False, True):
        for threshold in THRESHOLDS:
            print(_shown(row(pairs, threshold, guarded=guarded)))
    print(f"\nat {LEAST_SIMILARITY}: kind, pairs, close enough, given")
    for kind in dict.fromkeys(pair.kind for pair in pairs if pair.kind != "same"):
        of_kind = [pair for pair in pairs if pair.kind == kind]
        close = [pair for pair in of_kind if pair.similarity >= LEAST_SIMILARITY]
        given = [pair for pair in close if pair.guarded is None]
        print(f"  {kind:10} {len(of_kind):4} {len(close):4} {len(given):4}")
        for pair in given:
            print(f"    {pair.similarity:.3f}  {pair.one} | {pair.other}")
    wrong_rate = row(pairs, LEAST_SIMILARITY, guarded=True).wrong_rate
    print(f"\nof pairs that only sound alike {wrong_rate:.1%} are answered wrongly; goal {MOST_WRONG:.0%}")
    return 0 if wrong_rate <= MOST_WRONG else 1


def _shown(row: Row) -> str:
    hits = row.found + row.wrong
    wrong_hits = f"{row.wrong / hits:.1%}" if hits else "-"
    guard = "on" if row.is_guarded else "off"
    found, others = f"{row.found}/{row.of_same}", f"{row.wrong}/{row.of_other}"
    rates = f"{found:>7} {row.found_rate:6.1%}  {others:>8} {row.wrong_rate:6.1%}"
    return f"{row.threshold:9.2f}  {guard:5}  {rates}  {wrong_hits:>8}"


if __name__ == "__main__":
    sys.exit(main())
