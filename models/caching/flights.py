"""Of requests that are the same and under way at once one is answered, and the others get its answer."""

import asyncio
import time
from collections.abc import Callable, Hashable

from models.caching.kept import Cached

FOLLOW_S = 30.0
"""So long an answer of another's is waited for."""
MAX_FLIGHTS = 20_000


class Flight:
    """The one that is answered has to end it, in any event."""

    def __init__(self, since: float, ended: Callable[["Flight"], None]) -> None:
        self.since = since
        self._ended = ended
        self._answer: asyncio.Future[Cached | None] = asyncio.get_running_loop().create_future()

    def end(self, answer: Cached | None) -> None:
        """None where there is no answer for others. What comes after the first end counts for nothing."""
        if not self._answer.done():
            self._answer.set_result(answer)
            self._ended(self)

    async def answer(self, *, within_s: float) -> Cached | None:
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(self._answer)
        except TimeoutError:
            return None


class Flights:
    """Belongs to one event loop. `clock` is in seconds."""

    def __init__(self, *, follow_s: float = FOLLOW_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._under_way: dict[Hashable, Flight] = {}
        self._follow_s = follow_s
        self._clock = clock

    def begin(self, key: Hashable) -> Flight:
        """In the place of another one, if there is one: nobody joins that any more."""
        if len(self._under_way) >= MAX_FLIGHTS:
            del self._under_way[next(iter(self._under_way))]
        flight = self._under_way[key] = Flight(self._clock(), lambda ended: self._ended(key, ended))
        return flight

    def under_way(self, key: Hashable) -> Flight | None:
        """One that is worth waiting for."""
        flight = self._under_way.get(key)
        too_old = flight is not None and self._clock() - flight.since >= self._follow_s
        return None if too_old else flight

    async def follow(self, flight: Flight) -> Cached | None:
        """Its answer; None if it comes to nothing, or too late."""
        return await flight.answer(within_s=max(0.0, flight.since + self._follow_s - self._clock()))

    def forget(self) -> None:
        """Nobody joins what is under way now; who has, still waits for it."""
        self._under_way.clear()

    def _ended(self, key: Hashable, flight: Flight) -> None:
        if self._under_way.get(key) is flight:
            del self._under_way[key]
