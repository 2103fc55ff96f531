"""Who is next where more want to be served than can be at once: every tenant in turn, by what it asks for.

Deficit round robin: each round gives every tenant that waits the same number of tokens to spend, so that one
with many or long requests waits for itself. More important ones go before all others.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from models.errors import Overloaded
from models.limits.priority import Priority

QUANTUM = 2_000
MIN_COST = QUANTUM // 4
"""Nobody has more than four in a row."""
MAX_COST = 16 * QUANTUM
"""A request is not put off longer for being larger than this."""
MAX_RETRY_S = 30.0


class _Waiting:
    __slots__ = ("cost", "ready", "since", "tenant")

    def __init__(self, tenant: str, cost: int, since: float, ready: asyncio.Future[None]) -> None:
        self.tenant = tenant
        self.cost = cost
        self.since = since
        self.ready = ready


class _Line:
    """One tenant's requests, and what it may still spend in this round."""

    __slots__ = ("deficit", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.deficit = 0


class _Class:
    """The tenants whose requests of one priority wait; the first is the one whose turn it is."""

    def __init__(self) -> None:
        self.lines: OrderedDict[str, _Line] = OrderedDict()
        self.size = 0

    def add(self, waiting: _Waiting) -> None:
        self.lines.setdefault(waiting.tenant, _Line()).waiting.append(waiting)
        self.size += 1

    def next(self, stale_since: float) -> _Waiting | None:
        """Oldest first, unless that one has waited so long that its client may have given up: then the
        newest, which can still be served in time."""
        while self.lines:
            tenant, line = next(iter(self.lines.items()))
            newest_first = line.waiting[0].since < stale_since
            head = line.waiting[-1] if newest_first else line.waiting[0]
            if head.cost > line.deficit:
                line.deficit += QUANTUM
                self.lines.move_to_end(tenant)
                continue
            line.deficit -= head.cost
            (line.waiting.pop if newest_first else line.waiting.popleft)()
            self._left(tenant, line)
            return head
        return None

    def give_up(self, waiting: _Waiting) -> None:
        line = self.lines.get(waiting.tenant)
        if line is not None and waiting in line.waiting:
            line.waiting.remove(waiting)
            self._left(waiting.tenant, line)

    def newest_of_the_longest(self) -> _Waiting | None:
        longest = max(self.lines.values(), key=lambda line: len(line.waiting), default=None)
        return None if longest is None else longest.waiting[-1]

    def _left(self, tenant: str, line: _Line) -> None:
        self.size -= 1
        if not line.waiting:
            del self.lines[tenant]  # a deficit is not saved up by being away


class FairQueue:
    """`capacity` requests at once; others wait, up to `max_wait_s`, `per_tenant` of each and `total` in all.

    Belongs to one event loop. Whoever cannot be served is told so at once, with a time to come back.
    """

    def __init__(
        self,
        *,
        capacity: int,
        per_tenant: int = 100,
        total: int = 1_000,
        max_wait_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = capacity
        self._per_tenant = per_tenant
        self._total = total
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._classes = [_Class() for _ in Priority]
        self._served: deque[float] = deque(maxlen=64)
        self.running = 0

    @property
    def waiting(self) -> int:
        return sum(group.size for group in self._classes)

    @property
    def fill(self) -> float:
        """From 0, idle, over 1, everything busy and nobody waiting, to 2, no room to wait."""
        return self.running / self.capacity + self.waiting / self._total

    @asynccontextmanager
    async def turn(
        self, tenant: str, *, cost: int = 1, priority: Priority = Priority.NORMAL
    ) -> AsyncIterator[None]:
        """Raises Overloaded, at once or after `max_wait_s`."""
        await self.enter(tenant, cost=cost, priority=priority)
        try:
            yield
        finally:
            self.leave()

    async def enter(self, tenant: str, *, cost: int = 1, priority: Priority = Priority.NORMAL) -> None:
        """Returns when it may go on; then `leave` has to be called once it is done. `cost` is in tokens."""
        if self.running < self.capacity and not self.waiting:
            self.running += 1
            return
        group = self._classes[priority]
        self._make_room(tenant, priority)
        ready = asyncio.get_running_loop().create_future()
        waiting = _Waiting(tenant, max(MIN_COST, min(cost, MAX_COST)), self._clock(), ready)
        group.add(waiting)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await ready
        except TimeoutError:
            group.give_up(waiting)
            if not _is_let_in(ready):
                raise self._full("it waited too long for its turn") from None
        except asyncio.CancelledError:
            group.give_up(waiting)
            if _is_let_in(ready):
                self.leave()
            raise

    def leave(self) -> None:
        self.running -= 1
        self._served.append(self._clock())
        while self.running < self.capacity and (head := self._next()) is not None:
            self.running += 1
            head.ready.set_result(None)

    def _next(self) -> _Waiting | None:
        stale_since = self._clock() - self._max_wait_s / 2
        for group in self._classes:
            while (head := group.next(stale_since)) is not None:
                if not head.ready.done():
                    return head
        return None

    def _make_room(self, tenant: str, priority: Priority) -> None:
        """Raises Overloaded where nobody less important can be sent away instead."""
        line = self._classes[priority].lines.get(tenant)
        if line is not None and len(line.waiting) >= self._per_tenant:
            raise self._full("too many requests of this tenant wait for their turn")
        if self.waiting < self._total:
            return
        for group in reversed(self._classes[priority + 1 :]):
            least = group.newest_of_the_longest()
            if least is not None:
                group.give_up(least)
                least.ready.set_exception(self._full("more important requests came first"))
                return
        raise self._full("too many requests wait for their turn")

    def _full(self, why: str) -> Overloaded:
        return Overloaded(f"The gateway is busy: {why}.", retry_after_s=self._retry_s(), sent=False)

    def _retry_s(self) -> float:
        """Until those who wait now are served, at the pace of the last ones."""
        if len(self._served) < 2:
            return 1.0
        per_s = (len(self._served) - 1) / max(0.001, self._clock() - self._served[0])
        return round(min(max(1.0, self.waiting / per_s), MAX_RETRY_S), 1)


def _is_let_in(ready: asyncio.Future[None]) -> bool:
    """It may have been just as it stopped waiting."""
    return ready.done() and not ready.cancelled() and ready.exception() is None
