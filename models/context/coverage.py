"""Which units say the most in the fewest tokens, whatever is asked later: greedy coverage of rare words.

A word counts by its rarity, and less than half as much each time that it has been covered already; so do
pairs of words, once. The order is the same for every budget, so a smaller summary is part of a larger one.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from models.context.units import Unit

_AGAIN = 0.45
"""What a word is worth when it comes once more."""
_PAIR = 0.3
_COST_POWER = 1.2
_COST_BASE = 1.0


class Coverage:
    """The order in which units are worth keeping, found as far as it is asked for."""

    def __init__(self, units: Sequence[Unit], costs: Sequence[float]) -> None:
        self._units = units
        self._scale: list[float] = [
            math.exp(unit.salience) / (cost + _COST_BASE) ** _COST_POWER
            for unit, cost in zip(units, costs, strict=True)
        ]
        frequency = Counter(word for unit in units for word in unit.distinct)
        self._worth = {word: math.log1p(len(units) / count) for word, count in frequency.items()}
        self._covered: dict[str, float] = dict(self._worth)
        """What each word is worth the next time."""
        self._pairs: set[tuple[str, str]] = set()
        self._found: list[int] = []
        self._heap = [(-self._gain(unit), unit.id) for unit in units]
        heapq.heapify(self._heap)

    def order(self) -> Iterator[int]:
        """Ids of units, the most worth keeping first."""
        place = 0
        while place < len(self._found) or self._advance():
            yield self._found[place]
            place += 1

    def _advance(self) -> bool:
        """Gains only fall as words get covered, so the first of the heap that has not fallen is the best."""
        heap = self._heap
        while heap:
            _, unit_id = heapq.heappop(heap)
            gain = self._gain(self._units[unit_id])
            if heap and gain < -heap[0][0]:
                heapq.heappush(heap, (-gain, unit_id))
                continue
            self._take(self._units[unit_id])
            return True
        return False

    def _take(self, unit: Unit) -> None:
        self._found.append(unit.id)
        for word in unit.distinct:
            self._covered[word] *= _AGAIN
        self._pairs.update(pairwise(unit.words))

    def _gain(self, unit: Unit) -> float:
        covered, worth, pairs = self._covered, self._worth, self._pairs
        gain = sum([covered[word] for word in unit.distinct])
        for pair in pairwise(unit.words):
            if pair not in pairs:
                gain += _PAIR * min(worth[pair[0]], worth[pair[1]])
        return gain * self._scale[unit.id]
