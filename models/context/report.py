"""What became of a conversation: what is sent, what was left out and why."""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from typing import Literal

from msgspec import Struct

from models.context.assemble import Assembly, tokens_of
from models.context.reading import Reading
from models.context.score import Preservation, preservation

Reason = Literal["budget", "tool_output_reduced", "superseded"]


class Dropped(Struct, frozen=True):
    """Turns `first` to `last`, of which something is not sent, for one reason."""

    first: int
    last: int
    units: int
    """Sentences, lines, records, calls."""
    tokens: int
    reason: Reason


class ContextReport(Struct, frozen=True, kw_only=True):
    budget_tokens: int
    tokens_before: int
    tokens_after: int
    turns: int
    turns_whole: int
    """Sent word for word."""
    turns_part: int
    """Of which something is sent."""
    facts: int
    """That the user stated and that are in force."""
    facts_kept: int
    blocks: dict[str, int]
    """Tokens of each that is sent: `instructions`, `summary` (with the facts), `recent`, `retrieved`."""
    preservation: Preservation
    open_calls: tuple[str, ...] = ()
    """Tools that were called and have not answered."""
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[str, ...] = ()


def report_of(reading: Reading, assembly: Assembly, *, budget_tokens: int) -> ContextReport:
    stated = [fact.unit for fact in reading.facts.stated]
    touched = {reading.units[unit].turn for unit in assembly.shown}
    return ContextReport(
        budget_tokens=budget_tokens,
        tokens_before=reading.tokens,
        tokens_after=assembly.tokens,
        turns=len(reading.turns),
        turns_whole=len(assembly.whole_turns),
        turns_part=len(touched - assembly.whole_turns),
        facts=len(stated),
        facts_kept=sum(unit in assembly.shown for unit in stated),
        blocks=_blocks(reading, assembly),
        preservation=preservation(reading, assembly.shown),
        open_calls=tuple(name for _, name in reading.open_calls),
        dropped=tuple(_runs(list(_missing(reading, assembly.shown)))),
        warnings=tuple(_warnings(reading, assembly)),
    )


def _blocks(reading: Reading, assembly: Assembly) -> dict[str, int]:
    tokens = Counter[str]()
    for piece in assembly.pieces:
        tokens[piece.block] += tokens_of(reading, piece)
    return dict(tokens)


def _missing(reading: Reading, shown: Set[int]) -> Iterator[tuple[int, Reason, float]]:
    """Turn, reason and tokens of each unit that is not sent."""
    for unit in reading.units:
        if unit.id not in shown:
            reason: Reason = "tool_output_reduced" if unit.kind == "output" else "budget"
            if reading.facts.successors.get(unit.id, frozenset()) & shown:
                reason = "superseded"
            yield unit.turn, reason, reading.costs[unit.id]


def _runs(missing: Sequence[tuple[int, Reason, float]]) -> Iterator[Dropped]:
    """Neighbouring turns that lost something for one reason, as one."""
    for reason in ("budget", "tool_output_reduced", "superseded"):
        first = last = units = 0
        tokens = 0.0
        for turn, why, cost in missing:
            if why != reason:
                continue
            if units and turn > last + 1:
                yield Dropped(first, last, units, round(tokens), reason)
                units, tokens = 0, 0.0
            first = first if units else turn
            last, units, tokens = turn, units + 1, tokens + cost
        if units:
            yield Dropped(first, last, units, round(tokens), reason)


def _warnings(reading: Reading, assembly: Assembly) -> Iterator[str]:
    if any(unit not in assembly.shown for unit, _ in reading.open_calls):
        yield "a tool call that waits for its answer did not fit"
    if any(turn.pinned and index not in assembly.whole_turns for index, turn in enumerate(reading.turns)):
        yield "the instructions did not fit as they are"
