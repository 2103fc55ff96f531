"""The shared counters while they answer, and this replica's share of each limit while they do not.

Alone, a replica gives out its equal share of every limit, so that all of them together stay within it, for as
long as it takes; nothing is refused because the counters are away, or waits for them more than once. When
they are back they are told what was given out meanwhile.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from models.limits.counters import Ask, Counters, CountersAway, Grant, Hold, InMemoryCounters

log = logging.getLogger(__name__)

FAILURES = 2
"""In a row, and nobody waits for them any more: a single one may be our own being late."""
PROBE_EVERY_S = 0.25
_MAX_OWED = 50_000


class SteadyCounters:
    """`replicas` is how many share the limits; `reach` returns once the counters answer, or raises
    CountersAway."""

    def __init__(
        self,
        shared: Counters,
        *,
        replicas: Callable[[], int],
        reach: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._replicas = replicas
        self._reach = reach
        self._clock = clock
        self._alone = InMemoryCounters(clock_us=lambda: clock() * 1e6)
        self._owed: dict[str, tuple[float, float]] = {}
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_alone(self) -> bool:
        return self._failures >= FAILURES

    async def exchange(self, asks: Sequence[Ask | Hold]) -> Sequence[Grant]:
        """Raises nothing."""
        if self.is_alone:
            self._probe()
            return [self._share(ask) for ask in asks]
        try:
            grants = await self._shared.exchange([self._with_debts(ask) for ask in asks])
        except CountersAway:
            self._failures += 1
            if self.is_alone:
                log.warning("the limits' counters are away: each replica goes on with its share")
                self._probe()
            return [self._share(ask) for ask in asks]
        self._failures = 0
        for ask in asks if self._owed else ():
            self._owed.pop(ask.key, None)
        return grants

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()

    def _share(self, ask: Ask | Hold) -> Grant:
        replicas = max(1, self._replicas())
        if isinstance(ask, Hold):
            return self._alone.hold(replace(ask, most=math.ceil(ask.most / replicas)), replica="")
        burst = max(ask.need, math.ceil(ask.burst / replicas))
        interval_us = ask.interval_us * replicas
        used = 0.0 if ask.known is None else max(0.0, burst - ask.known / replicas)
        grant = self._alone.take(replace(ask, burst=burst, interval_us=interval_us), fresh=used * interval_us)
        if grant.granted:
            now_us = self._clock() * 1e6
            since, _ = self._owed.get(ask.key, (now_us, interval_us))
            self._owed[ask.key] = max(since, now_us) + grant.granted * interval_us, interval_us
            if len(self._owed) > _MAX_OWED:
                del self._owed[next(iter(self._owed))]
        return grant

    def _with_debts(self, ask: Ask | Hold) -> Ask | Hold:
        if not self._owed or isinstance(ask, Hold):
            return ask
        until_us, interval_us = self._owed.get(ask.key, (0.0, 1.0))
        owed = math.ceil((until_us - self._clock() * 1e6) / interval_us)
        return replace(ask, credit=ask.credit - owed) if owed > 0 else ask

    def _probe(self) -> None:
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(self._until_back())

    async def _until_back(self) -> None:
        while True:
            try:
                await self._reach()
            except CountersAway:
                await asyncio.sleep(PROBE_EVERY_S)
            else:
                break
        self._failures = 0
        self._alone.prune()
        log.warning("the limits' counters are back")
