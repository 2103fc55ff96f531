"""A request that was let in: what it has taken of its limits, until it says what it has used."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from models.limits.holdings import Holding
from models.limits.limit import Measure, Rate, tightest


class Spent(NamedTuple):
    holding: Holding
    amount: int
    at: float
    """See `Holding.spend`."""


class Admitted:
    """Each method may be called again and then does nothing; none of them waits or raises."""

    __slots__ = ("_clock", "_press", "_settled", "_spent")

    def __init__(
        self,
        spent: Sequence[Spent],
        *,
        clock: Callable[[], float],
        press: Callable[[Holding, float], None],
    ) -> None:
        self._spent = spent
        self._clock = clock
        self._press = press
        self._settled = not spent

    def settle(self, *, input_tokens: int = 0, output_tokens: int = 0, spend_pico: int = 0) -> None:
        """It is over and has used so much: what was claimed beyond that comes back, what was not is owed."""
        if self._settled:
            return
        self._end(
            {
                "tokens": input_tokens + output_tokens,
                "input_tokens": input_tokens,
                "output_tokens": output_tokens,
                "spend": spend_pico,
            }
        )

    def withdraw(self) -> None:
        """It is over and counts as if it had never been."""
        if not self._settled:
            self._end(dict.fromkeys(("requests", "tokens", "input_tokens", "output_tokens", "spend"), 0))

    def release(self) -> None:
        """It is over, and nobody knows better what it used than it did when it came."""
        if not self._settled:
            self._end({})

    def rates(self) -> Sequence[Rate]:
        """Of each measure that counts, the limit with the least room."""
        return tightest(spent.holding.rate(self._clock()) for spent in self._spent) if self._spent else ()

    def _end(self, used: dict[Measure, int]) -> None:
        self._settled = True
        now = self._clock()
        for held, amount, at in self._spent:
            actual = used.get(held.limit.measure, amount)
            if actual != amount:
                held.correct(amount, actual, at, now)
            held.release(amount)
            self._press(held, now)


NOTHING = Admitted((), clock=lambda: 0.0, press=lambda _held, _now: None)
"""Where no limit counts."""
