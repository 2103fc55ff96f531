"""How fast a batch's lines are sent, and when one is sent again."""

import random

from models.batches.line import Claimed
from models.errors import BudgetHeld, Overloaded, PolyvoxError, ProviderOverloaded, ProviderRateLimited

MAX_TRIES = 4
"""Runs of a line that may have cost something without an answer."""

TURNED_AWAY = (Overloaded, BudgetHeld, ProviderRateLimited, ProviderOverloaded)
"""Nothing was done and nothing spent: the line waits, however often, until its batch's time is up."""

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_DOUBLINGS = 7


def wait_s(error: PolyvoxError, line: Claimed) -> float | None:
    """After which time the line is run again; None where that is its answer."""
    turned_away = isinstance(error, TURNED_AWAY)
    if not turned_away and (not error.retryable or line.tries + 1 >= MAX_TRIES):
        return None
    doubled = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(line.run - 1, _DOUBLINGS))
    least = min(error.retry_after_s or 0.0, _LONGEST_WAIT_S)
    return least + doubled * random.uniform(0.5, 1.0)  # noqa: S311


class Pace:
    """How many lines of a batch are under way at once: one more for each round of answers, half of it when
    one is turned away, but not again for others of the same round."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._allowed = float(most)
        self._round = 0

    @property
    def allowed(self) -> int:
        return max(1, int(self._allowed))

    def answered(self) -> None:
        self._round = max(0, self._round - 1)
        self._allowed = min(self._most, self._allowed + 1 / self._allowed)

    def turned_away(self) -> None:
        if self._round == 0:
            self._allowed = max(1.0, self._allowed / 2)
            self._round = self.allowed
        else:
            self._round -= 1
