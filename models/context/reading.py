"""A conversation read once: its units, what they cost, its facts, what can be looked up in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from models.context.coverage import Coverage
from models.context.facts import Facts
from models.context.retrieval import Retrieval
from models.context.sentences import label_of
from models.context.tokens import MESSAGE_OVERHEAD, Count, four_characters
from models.context.turns import Turn
from models.context.units import Unit, labels_of, read_units
from models.context.words import terms

_TELLING = 3
"""Content words from which on a sentence means the same wherever it stands."""
_JOINT_CHARS = 2
"""What joins a unit to its neighbours: a line break or a blank and, at times, a marker."""


class Reading:
    def __init__(self, turns: Iterable[Turn], *, count: Count) -> None:
        self.turns = list(turns)
        self.count = count
        self.bodies = [turn.body for turn in self.turns]
        self.turn_tokens = [count(body) + MESSAGE_OVERHEAD for body in self.bodies]
        self.tokens = sum(self.turn_tokens)
        self.labels = labels_of(self.turns)
        self.units = read_units(self.turns, labels=self.labels)
        self.costs = list(map(self._cost, (unit.text for unit in self.units)))
        self.least_cost = min(self.costs, default=1.0)
        self.facts = Facts(self.units, self.turns)
        self.twins = _twins(self.units, self.facts.successors)
        """Units that stand in the conversation more than once, word for word: one of them speaks for all."""

    @cached_property
    def coverage(self) -> Coverage:
        return Coverage(self.units, self.costs)

    @cached_property
    def open_calls(self) -> tuple[tuple[int, str], ...]:
        """Units and names of the calls that no tool has answered."""
        answered = {turn.call_id for turn in self.turns if turn.from_tool}
        return tuple(
            (unit.id, call.name)
            for unit, call in zip(
                (unit for unit in self.units if unit.kind == "call"),
                (call for turn in self.turns if not turn.from_tool for call in turn.calls),
                strict=True,
            )
            if call.id not in answered
        )

    def make_ready(self) -> None:
        """All that fitting would else have to wait for."""
        _ = self.coverage, self.retrieval, self.open_calls

    @cached_property
    def retrieval(self) -> Retrieval:
        return Retrieval(self.units, [self._speaker(turn) for turn in self.turns])

    def exchanges_backwards(self) -> Iterator[list[int]]:
        """Turns from the last on; calls of tools and their answers together, as one."""
        held: list[int] = []
        for index in range(len(self.turns) - 1, -1, -1):
            held.insert(0, index)
            if not self.turns[index].from_tool:
                yield held
                held = []
        if held:
            yield held

    def is_open(self, exchange: Sequence[int]) -> bool:
        """Whether tools were called in it and nobody has spoken since."""
        return any(self.turns[turn].calls or self.turns[turn].from_tool for turn in exchange)

    def _cost(self, text: str) -> float:
        if self.count is four_characters:
            return (len(text) + _JOINT_CHARS) / 4
        return self.count(text) + 1.0

    def _speaker(self, turn: Turn) -> frozenset[str]:
        label = label_of(turn.text)
        return frozenset(terms(label)) if label in self.labels else frozenset()


def _twins(units: Sequence[Unit], outdated: Mapping[int, frozenset[int]]) -> dict[int, frozenset[int]]:
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for unit in units:
        if len(unit.distinct) >= _TELLING and unit.id not in outdated:
            alike[unit.text].append(unit.id)
    return {one: frozenset(ids) for ids in alike.values() if len(ids) > 1 for one in ids}
