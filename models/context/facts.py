"""What the user stated and may rely on: facts, constraints, decisions, open tasks. The newest value wins.

A fact is a sentence of the conversation, told by its wording. Where a later one gives the same thing another
value, the earlier is superseded: it is never shown without the later.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from models.context.succession import Succession
from models.context.turns import Turn
from models.context.units import Unit
from models.context.wordings import FactKind, correction, kind_of


class Fact(Struct, frozen=True):
    kind: FactKind
    unit: int
    text: str
    was: str = ""
    """The value that held before, where one did."""


class Facts:
    def __init__(self, units: Sequence[Unit], turns: Sequence[Turn]) -> None:
        succession = Succession(units)
        for unit in units:
            if unit.kind == "prose":
                by_user = turns[unit.turn].role == "user"
                succession.read(unit, correction(unit.core) if by_user else None)
        self.successors = succession.successors()
        """For every unit that shows an outdated value, the units that have the one in force."""
        self.stated = tuple(_stated(units, turns, succession.was, self.successors))
        """Those in force, oldest first."""
        self.units = frozenset(fact.unit for fact in self.stated)


def _stated(
    units: Sequence[Unit],
    turns: Sequence[Turn],
    was: Mapping[int, str],
    outdated: Mapping[int, frozenset[int]],
) -> Iterator[Fact]:
    for unit in units:
        if unit.kind != "prose" or turns[unit.turn].role != "user" or len(unit.distinct) <= 1:
            continue
        if unit.id in outdated or unit.text.endswith("?"):
            continue
        kind = kind_of(unit.core) or ("fact" if unit.id in was else None)
        if kind is not None:
            yield Fact(kind, unit.id, unit.text, was.get(unit.id, ""))
