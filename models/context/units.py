"""The units that are kept or dropped whole: sentences, lines of code or of a log, records, calls."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from models.context.salience import names_in, salience
from models.context.sentences import label_of, sentences
from models.context.structure import blocks, brief, cut, fenced
from models.context.turns import Call, Turn
from models.context.words import terms

_LABELLED = 0.5
"""The share of turns that open with a label, from which on it is a transcript."""

Kind = Literal["prose", "code", "call", "output"]


@dataclass(slots=True, frozen=True)
class Unit:
    id: int
    turn: int
    text: str
    """As it stands in the turn; a call or a record in few words."""
    kind: Kind
    opens: bool
    """Whether it opens its turn."""
    core: str
    """The text without the label of who speaks."""
    words: tuple[str, ...]
    """The content words of `core`, as searched."""
    distinct: frozenset[str]
    salience: float
    """How much likelier than a plain sentence it is to be asked for: a logarithm."""
    needs: tuple[int, ...] = ()
    """Units without which it would mislead: a record needs the call that it answers."""


def read_units(turns: Iterable[Turn], *, labels: frozenset[str]) -> list[Unit]:
    turns = list(turns)
    names = frozenset(name for turn in turns if not turn.from_tool for name in names_in(turn.text))
    reader = _Reader(labels, names)
    for index, turn in enumerate(turns):
        reader.read(index, turn)
    return reader.units


def labels_of(turns: Iterable[Turn]) -> frozenset[str]:
    """The names of who speaks, where turns open with them as in a transcript: `Ada:`."""
    seen = Counter(label_of(turn.text) for turn in turns if turn.text and not turn.from_tool)
    repeated = {label: count for label, count in seen.items() if label and count > 1}
    is_transcript = sum(repeated.values()) >= _LABELLED * seen.total()
    return frozenset(repeated) if is_transcript else frozenset()


class _Reader:
    def __init__(self, labels: frozenset[str], names: frozenset[str]) -> None:
        self.units: list[Unit] = []
        self._labels = labels
        self._names = names
        self._calls: dict[str, int] = {}
        """Unit of each call, by the call's id."""
        self._asked = False
        """Whether the turn before ended with a question."""

    def read(self, index: int, turn: Turn) -> None:
        if turn.from_tool:
            self._output(index, turn)
            return
        start = len(self.units)
        for is_code, stretch in fenced(turn.text):
            pieces = list(blocks(stretch)) if is_code else sentences(stretch)
            for place, piece in enumerate(pieces):
                ends = place == len(pieces) - 1
                self._add(
                    index, piece, "code" if is_code else "prose", opens=len(self.units) == start, ends=ends
                )
        for call in turn.calls:
            self._calls[call.id] = len(self.units)
            self._add(index, _call_text(call), "call", opens=len(self.units) == start)
        self._asked = turn.text.rstrip().endswith("?")

    def _output(self, index: int, turn: Turn) -> None:
        asked = self._calls.get(turn.call_id)
        needs = () if asked is None else (asked,)
        shape, pieces = cut(turn.text)
        for place, piece in enumerate(pieces):
            self._add(index, piece, "output", opens=place == 0, needs=needs)
            if place == 0 and shape == "json" and len(pieces) > 1 and " results" in piece[:20]:
                needs = (*needs, len(self.units) - 1)
        self._asked = False

    def _add(
        self,
        turn: int,
        text: str,
        kind: Kind,
        *,
        opens: bool,
        ends: bool = False,
        needs: tuple[int, ...] = (),
    ) -> None:
        label = label_of(text) if opens and kind == "prose" else ""
        core = text[len(label) :].lstrip() if label in self._labels else text
        words = tuple(terms(core))
        weight = salience(core, words, kind=kind, names=self._names, ends=ends, answers=self._asked)
        self.units.append(
            Unit(len(self.units), turn, text, kind, opens, core, words, frozenset(words), weight, needs)
        )


def _call_text(call: Call) -> str:
    return f"{call.name}({brief(_arguments(call.arguments))})"


def _arguments(text: str) -> object:
    try:
        return msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return text


def by_turn(units: Iterable[Unit]) -> Iterator[tuple[int, list[Unit]]]:
    """Units in the order of their ids, turn by turn."""
    held: list[Unit] = []
    for unit in units:
        if held and held[0].turn != unit.turn:
            yield held[0].turn, held
            held = []
        held.append(unit)
    if held:
        yield held[0].turn, held
