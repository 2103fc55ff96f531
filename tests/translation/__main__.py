"""The long form: `python -m tests.translation --histories 10000 --seed 1` for each ordered pair of formats.

Prints what was translated and what went wrong; exit status 1 where anything did.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.translation.bodies.dice import Dice
from tests.translation.checks import (
    answer_problems,
    prefix_problems,
    problems,
    torn_problems,
)
from tests.translation.facts import FORMATS, MODELS, Format
from tests.translation.pairs import body_of, pair_of
from tests.translation.torn import torn

_COLUMNS = ("round trip", "torn", "prefix")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.translation", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{'pair':<36}{'histories':>10}" + "".join(f"{name:>12}" for name in _COLUMNS) + f"{'ms each':>9}")
    wrong = 0
    for source in FORMATS:
        for target in FORMATS:
            wrong += _pair(source, target, asked.histories, asked.seed)
    for format in ("openai_chat", "anthropic", "gemini"):
        wrong += _answers(format, asked.histories, asked.seed)
    print(f"problems: {wrong}")
    return 1 if wrong else 0


def _pair(source: Format, target: Format, histories: int, seed: int) -> int:
    found: Counter[str] = Counter()
    began = time.perf_counter()
    for number in range(histories):
        dice = _dice(f"{seed} {source} {target} {number}")
        pair = pair_of(dice, source, target)
        body = body_of(dice, source, pair.source_model)
        found["round trip"] += _told(number, problems(pair, body))
        found["prefix"] += _told(number, prefix_problems(pair, body))
        found["torn"] += _told(number, torn_problems(pair, torn(dice, source, body)))
    each_ms = (time.perf_counter() - began) / max(histories, 1) * 1_000
    counts = "".join(f"{found[name]:>12}" for name in _COLUMNS)
    print(f"{source + ' -> ' + target:<36}{histories:>10}{counts}{each_ms:>9.1f}", flush=True)
    return found.total()


def _answers(format: Format, histories: int, seed: int) -> int:
    found = 0
    for number in range(histories):
        dice = _dice(f"{seed} {format} {number}")
        model = dice.pick(MODELS[format])
        body = body_of(dice, format, model)
        found += _told(number, answer_problems(dice, format, model, body))
    print(f"{format + ' answers, whole and streamed':<36}{histories:>10}{found:>12}", flush=True)
    return found


def _dice(seed: str) -> Dice:
    return Dice(random.Random(seed))  # noqa: S311 - no secret


def _told(number: int, found: Iterable[str]) -> int:
    said = list(found)
    for one in said:
        print(f"  {number}: {one}", file=sys.stderr)
    return len(said)


if __name__ == "__main__":
    sys.exit(main())
