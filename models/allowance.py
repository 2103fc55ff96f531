"""How many requests may have something extra, another attempt say: a share of all of them."""

import time
from collections.abc import Callable


class Allowance:
    """Each request earns a `share`, up to `most`; `at_first` is there from the start. Whatever happens,
    `least` come back within `within_s`."""

    def __init__(
        self,
        share: float,
        *,
        at_first: float,
        most: float,
        least: float = 0.0,
        within_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._most = most
        self._least = least
        self._within_s = within_s
        self._clock = clock
        self._left = at_first
        self._at = clock()

    def earn(self) -> None:
        """There is one more request."""
        self._left = min(self._most, self._left + self._share)

    def take(self) -> bool:
        """Whether one more may be had; then it is taken."""
        now = self._clock()
        if self._left < self._least:
            back = (now - self._at) * self._least / self._within_s
            self._left = min(self._least, self._left + back)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
