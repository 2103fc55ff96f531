"""Follows what has which value through a conversation, and which sentences that leaves outdated."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from models.context.units import Unit
from models.context.values import Statement, statements, typed_values
from models.context.wordings import Correction
from models.context.words import terms

_ALIKE = 0.3
"""Share of words in common from which on a retraction is taken to be about an earlier sentence."""
_BARE = 3
"""Words beside its value up to which a correction counts as naming no thing."""


class Succession:
    """Reads units in order. The newest value wins."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._latest: dict[frozenset[str], tuple[Unit, Statement]] = {}
        self._values: dict[str, list[tuple[Unit, str]]] = {}
        """Values by what they are written like, in order."""
        self._with: defaultdict[str, list[int]] = defaultdict(list)
        """Units by word, in order."""
        self._links: list[tuple[int, int, frozenset[str], frozenset[str]]] = []
        """Old unit, new unit, words of the old value, words of the thing."""
        self.was: dict[int, str] = {}
        """What the value in each unit replaced, where it replaced one."""

    def read(self, unit: Unit, cue: Correction | None) -> None:
        asks = unit.text.endswith("?")
        if not asks:
            for statement in statements(unit.core):
                self._state(unit, statement)
        if cue is not None and (cue.dropped or not asks):
            self._correct(unit, cue)
        self._note(unit)

    def _state(self, unit: Unit, statement: Statement) -> None:
        before = self._latest.get(statement.key)
        if before is not None:
            old, earlier = before
            if old.turn != unit.turn and earlier.value != statement.value and earlier.kind == statement.kind:
                self._link(old, unit, earlier.value, statement.key, earlier.text)
        self._latest[statement.key] = (unit, statement)

    def _note(self, unit: Unit) -> None:
        """Notes what a unit names, so that a correction finds it."""
        for word in unit.distinct:
            self._with[word].append(unit.id)
        for kind, text in typed_values(unit.core):
            self._values.setdefault(kind, []).append((unit, text))

    def _correct(self, unit: Unit, cue: Correction) -> None:
        """A correction that says its new value only: what it replaces is the last value of that kind about
        the same thing, or, if it names no thing, the last of that kind at all. One that has no such value
        replaces what is most like it."""
        linked = len(self._links)
        values = typed_values(unit.core)
        about = unit.distinct.difference(*(terms(text) for _, text in values))
        for kind, value in values:
            found = self._before(unit, kind, value, about)
            if found is not None:
                old, text = found
                self._link(old, unit, frozenset(terms(text)), about & old.distinct, text)
        if cue.dropped:
            self._drop(unit, frozenset(terms(cue.dropped)), cue.dropped)
        if cue.retracts and len(self._links) == linked:
            self._replace(unit)

    def _replace(self, unit: Unit) -> None:
        shared = Counter(
            old
            for word in unit.distinct
            for old in self._with.get(word, ())
            if self._units[old].turn < unit.turn
        )
        if shared:
            old_id, common = max(shared.items(), key=lambda item: (item[1], item[0]))
            old = self._units[old_id]
            if common >= _ALIKE * min(len(unit.distinct), len(old.distinct)):
                self._link(old, unit, old.distinct - unit.distinct, old.distinct & unit.distinct, "")

    def _before(self, unit: Unit, kind: str, value: str, about: frozenset[str]) -> tuple[Unit, str] | None:
        others = [
            (old, text)
            for old, text in self._values.get(kind, ())
            if old.turn != unit.turn and text.casefold() != value.casefold()
        ]
        same_thing = [(old, text) for old, text in others if about & old.distinct]
        if same_thing:
            return same_thing[-1]
        return others[-1] if others and len(about) <= _BARE else None

    def _drop(self, unit: Unit, words: frozenset[str], text: str) -> None:
        for old in reversed(self._units[: unit.id]):
            if words and old.turn < unit.turn and words <= old.distinct:
                self._link(old, unit, words, words, text)
                return

    def _link(self, old: Unit, new: Unit, value: frozenset[str], key: frozenset[str], text: str) -> None:
        if value:
            self._links.append((old.id, new.id, value, key))
            if text:
                self.was.setdefault(new.id, text)

    def successors(self) -> dict[int, frozenset[int]]:
        """Also every other earlier unit that names the old value and the thing needs the new one; chains of
        changes lead to the last."""
        newest: dict[int, set[int]] = {}
        naming = _by_word(self._units)
        for old_id, new_id, value, key in self._links:
            old = self._units[old_id]
            newest.setdefault(old_id, set()).add(new_id)
            for unit_id in min((naming.get(word, ()) for word in value), key=len, default=()):
                unit = self._units[unit_id]
                if (
                    value <= unit.distinct
                    and unit.turn < self._units[new_id].turn
                    and (key & unit.distinct or abs(unit.turn - old.turn) <= 2)
                ):
                    newest.setdefault(unit_id, set()).add(new_id)
        return {unit_id: frozenset(_last_of(ids, newest)) for unit_id, ids in newest.items()}


def _by_word(units: Sequence[Unit]) -> Mapping[str, Sequence[int]]:
    naming: defaultdict[str, list[int]] = defaultdict(list)
    for unit in units:
        for word in unit.distinct:
            naming[word].append(unit.id)
    return naming


def _last_of(ids: set[int], newest: Mapping[int, set[int]]) -> set[int]:
    """All that the given units lead to: each change is shown with the later ones."""
    reached: set[int] = set()
    waiting = list(ids)
    while waiting:
        unit_id = waiting.pop()
        if unit_id not in reached:
            reached.add(unit_id)
            waiting.extend(newest.get(unit_id, ()))
    return reached
