"""The preservation score: what share of a conversation survives in what a model will be sent.

Counted over everything that the conversation says, each unit by how likely it is to be asked for; what the
user stated and open tasks count double, what has been superseded counts nothing. docs/context.md has the
definition and how it compares with questions that were really asked.
"""

import math
from collections.abc import Sequence, Set

from msgspec import Struct

from models.context.facts import Fact
from models.context.layout import unmarked
from models.context.reading import Reading
from models.context.sentences import sentences
from models.context.units import Unit
from models.context.wordings import FactKind

_STEEPNESS = 1.0
_FULL = 3
"""Content words from which on a unit counts fully."""
_STATED = 2.0
_MAX_SEARCHED = 400_000
"""Characters of sent text that are searched for units which are not found sentence by sentence."""


class Preservation(Struct, frozen=True, kw_only=True):
    """Shares from 0 to 1; 1 where there was nothing to keep."""

    score: float
    facts: float
    """Of facts and decisions that the user stated."""
    constraints: float
    tasks: float
    """Of open tasks, calls that wait for an answer among them."""
    stale: int
    """Outdated values that are sent without the newest. 0, or something is wrong."""


def preservation(reading: Reading, shown: Set[int]) -> Preservation:
    """Of what is sent, by the units in it."""
    stated = {fact.unit for fact in reading.facts.stated}
    whole = kept = 0.0
    for unit in reading.units:
        weight = 0.0 if unit.id in reading.facts.successors else _weight(unit, stated=unit.id in stated)
        whole += weight
        if unit.id in shown:
            kept += weight
    outdated = reading.facts.successors
    return Preservation(
        score=_share(kept, whole),
        facts=_kept(reading.facts.stated, ("fact", "decision"), shown),
        constraints=_kept(reading.facts.stated, ("constraint",), shown),
        tasks=_tasks(reading, shown),
        stale=sum(not later - outdated.keys() <= shown for unit, later in outdated.items() if unit in shown),
    )


def preservation_in(reading: Reading, texts: Sequence[str]) -> Preservation:
    """Of what is sent, by its texts, whoever made them: a unit survives where it stands word for word."""
    found = found_in(reading.units, texts)
    outdated = reading.facts.successors
    in_force = {reading.units[unit].text for unit in found if unit not in outdated}
    return preservation(
        reading,
        frozenset(unit for unit in found if unit not in outdated or reading.units[unit].text not in in_force),
    )


def found_in(units: Sequence[Unit], texts: Sequence[str]) -> frozenset[int]:
    """A unit of few words counts only as a sentence of its own: as part of others it is found by accident."""
    pieces = {_plain(piece) for text in texts for piece in sentences(unmarked(text))}
    rest = _plain(" ".join(texts)) if sum(map(len, texts)) <= _MAX_SEARCHED else ""
    return frozenset(
        unit.id
        for unit in units
        if (plain := _plain(unit.text)) in pieces or (len(unit.distinct) >= _FULL and plain in rest)
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _weight(unit: Unit, *, stated: bool) -> float:
    weight = math.exp(_STEEPNESS * unit.salience) * min(1.0, len(unit.distinct) / _FULL)
    return weight * _STATED if stated else weight


def _kept(facts: Sequence[Fact], kinds: Sequence[FactKind], shown: Set[int]) -> float:
    ids = [fact.unit for fact in facts if fact.kind in kinds]
    return _share(sum(unit in shown for unit in ids), len(ids))


def _tasks(reading: Reading, shown: Set[int]) -> float:
    ids = [fact.unit for fact in reading.facts.stated if fact.kind == "task"]
    ids.extend(unit for unit, _ in reading.open_calls)
    return _share(sum(unit in shown for unit in ids), len(ids))


def _share(kept: float, whole: float) -> float:
    return kept / whole if whole else 1.0
