"""The breakers of all models that were called lately: this replica's own, with hints of what others' are."""

import random
import time
from collections.abc import Callable, Mapping

from models.breaker import MAX_OPEN_S, Breaker

MAX_BREAKERS = 2_000


class Breakers:
    """Bounded: of too many the one that was made first goes. Belongs to one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        most: int = MAX_BREAKERS,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._most = most
        self._breakers: dict[str, Breaker] = {}

    def of(self, model_id: str, *, credential: str = "") -> Breaker:
        """`credential` tells a host's keys apart, where it has several; it is no key itself."""
        key = _key(model_id, credential)
        found = self._breakers.get(key)
        if found is None:
            found = self._breakers[key] = Breaker(self._clock, draw=self._draw)
            if len(self._breakers) > self._most:
                del self._breakers[next(iter(self._breakers))]
        return found

    def known(self, model_id: str, *, credential: str = "") -> Breaker | None:
        return self._breakers.get(_key(model_id, credential))

    def opened(self) -> dict[str, float]:
        """Which of them are open, and for how many seconds still."""
        return {key: left_s for key, one in self._breakers.items() if (left_s := one.open_s) > 0}

    def hint(self, told: Mapping[str, float]) -> None:
        """Which of other replicas' are open, and for how many seconds: as `opened` has it."""
        now = self._clock()
        for key, left_s in told.items():
            model_id, _, credential = key.partition("|")
            breaker = self.of(model_id, credential=credential)
            breaker.hinted_until = now + min(left_s, MAX_OPEN_S)


def _key(model_id: str, credential: str) -> str:
    return f"{model_id}|{credential}" if credential else model_id
