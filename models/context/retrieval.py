"""Which units answer a question: by its words in them, near them and in who speaks, and by meaning if an
embedding is given.

Beyond BM25's sum over words, every word of the question also counts for the turns around its nearest
occurrence, fading with distance at two scales: an answer stands close to what it answers, rarely in the same
sentence. The score is a logarithm of how likely a unit is, so what is likely and short comes first.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import mul

from models.context.units import Unit
from models.context.words import terms

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]

_IN_UNIT = 0.6
_IN_TURN = 1.5
_NEAR = 8.0
_AROUND = 8.0
_SPEAKER = 2.0
_MEANING = 4.0
_NEAR_TURNS = 3.0
_AROUND_TURNS = 12.0
_REACH = 60
"""Turns beyond which nearness counts for nothing."""
_LENGTH = -0.3
_UNKNOWN_SPEAKER_WORTH = 1.0
_NEARNESS = [
    _NEAR * math.exp(-d / _NEAR_TURNS) + _AROUND * math.exp(-d / _AROUND_TURNS) for d in range(_REACH)
]


class Retrieval:
    """What can be looked up of a conversation once it is read."""

    def __init__(self, units: Sequence[Unit], speakers: Sequence[frozenset[str]]) -> None:
        """`speakers`: the words of the label that each turn opens with."""
        self._units = units
        self._turns = len(speakers)
        self._speakers = speakers
        self._units_with: Mapping[str, list[int]] = defaultdict(list)
        self._turns_with: Mapping[str, list[int]] = defaultdict(list)
        self._turns_by: Mapping[str, list[int]] = defaultdict(list)
        for unit in units:
            for word in unit.distinct:
                self._units_with[word].append(unit.id)
                turns = self._turns_with[word]
                if not turns or turns[-1] != unit.turn:
                    turns.append(unit.turn)
        for turn, words in enumerate(speakers):
            for word in words:
                self._turns_by[word].append(turn)

    def scores(self, question: str, costs: Sequence[float]) -> list[float]:
        """For every unit, in their order: how soon it should be taken, higher first."""
        worth = self._worth(question)
        whole = sum(worth.values()) or 1.0
        by_turn = [0.0] * self._turns
        by_unit = [0.0] * len(self._units)
        for word, value in worth.items():
            share = value / whole
            self._add_nearness(by_turn, self._occurrences(word), share)
            for turn in self._turns_with.get(word, ()):
                by_turn[turn] += _IN_TURN * share
            for unit in self._units_with.get(word, ()):
                by_unit[unit] += _IN_UNIT * share
        for turn, words in enumerate(self._speakers):
            if not words.isdisjoint(worth):
                by_turn[turn] += _SPEAKER
        return [
            by_unit[unit.id] + by_turn[unit.turn] + unit.salience + _LENGTH * math.log(1 + costs[unit.id])
            for unit in self._units
        ]

    def knows(self, question: str) -> int:
        """How many words of the question occur in the conversation."""
        return len(self._worth(question))

    def _worth(self, question: str) -> dict[str, float]:
        """The question's words that occur here, by rarity among turns."""
        worth: dict[str, float] = {}
        for word in terms(question):
            count = len(self._turns_with.get(word, ()))
            if count:
                worth[word] = math.log(1 + (self._turns - count + 0.5) / (count + 0.5))
            elif word in self._turns_by:
                worth[word] = _UNKNOWN_SPEAKER_WORTH
        return worth

    def _occurrences(self, word: str) -> list[int]:
        said, by = self._turns_with.get(word, []), self._turns_by.get(word, [])
        return sorted({*said, *by}) if by else said

    def _add_nearness(self, by_turn: list[float], occurrences: Sequence[int], share: float) -> None:
        for place, turn in enumerate(occurrences):
            left = occurrences[place - 1] if place else -_REACH
            right = occurrences[place + 1] if place + 1 < len(occurrences) else self._turns + _REACH
            first = max(0, turn - _REACH + 1, (left + turn) // 2 + 1)
            last = min(self._turns - 1, turn + _REACH - 1, (turn + right) // 2)
            for other in range(first, last + 1):
                by_turn[other] += share * _NEARNESS[abs(other - turn)]


def closeness_of(question: Sequence[float], vectors: Sequence[Sequence[float]]) -> list[float]:
    """How close in meaning each is to the question: cosines, as all vectors are of length one."""
    return [sum(map(mul, question, vector)) for vector in vectors]


def add_meaning(scores: list[float], units: Sequence[Unit], closeness: Sequence[float]) -> None:
    """Adds how close in meaning the turns are to the question: `closeness` of each turn."""
    for unit in units:
        scores[unit.id] += _MEANING * closeness[unit.turn]
