"""What goes on while the shared counters are away."""

import asyncio
from collections.abc import Sequence

import pytest

from models.limits import Admission, InMemoryCounters, Limit, LimitBook, RateLimited, SteadyCounters
from models.limits.book import InMemoryLimits
from models.limits.counters import CountersAway
from tests.unit.limits.installation import call, door, limit


class Outage:
    """Replicas whose counters can be away."""

    def __init__(self, limits: Sequence[Limit], *, replicas: int) -> None:
        self.now = 1_000.0
        self.counters = InMemoryCounters(clock_us=lambda: self.now * 1e6)
        self.views = [self.counters.of(str(n)) for n in range(replicas)]
        self.reached = asyncio.Event()
        self.steady = [
            SteadyCounters(view, replicas=lambda: replicas, reach=self._reach, clock=lambda: self.now)
            for view in self.views
        ]
        self.replicas = [self._admission(limits, steady) for steady in self.steady]

    def begin(self) -> None:
        for view in self.views:
            view.away = True

    async def end(self) -> None:
        for view in self.views:
            view.away = False
        self.reached.set()
        async with asyncio.timeout(5):
            while any(steady.is_alone for steady in self.steady):
                await asyncio.sleep(0)

    async def admits(self, at: int = 0, *, output: int | None = None) -> bool:
        try:
            await self.replicas[at].admit(door() if output is None else call(output=output))
        except RateLimited:
            return False
        return True

    async def close(self) -> None:
        for steady in self.steady:
            await steady.close()

    def _admission(self, limits: Sequence[Limit], steady: SteadyCounters) -> Admission:
        book = LimitBook(InMemoryLimits())
        book.use(limits)
        return Admission(book, steady, clock=lambda: self.now)

    async def _reach(self) -> None:
        await self.reached.wait()


async def test_within_the_limits_nothing_is_refused_because_the_counters_are_away() -> None:
    outage = Outage([limit(600), limit(40, "concurrent")], replicas=4)
    outage.begin()
    for turn in range(400):
        admitted = await outage.replicas[turn % 4].admit(door())
        admitted.settle()
        outage.now += 0.11
    await outage.close()


async def test_all_shares_together_are_the_limit() -> None:
    outage = Outage([limit(60)], replicas=4)
    outage.begin()
    outcomes = [await outage.admits(n % 4) for n in range(400)]
    assert sum(outcomes) == 60
    outage.now += 60
    assert sum([await outage.admits(n % 4) for n in range(400)]) == 60
    await outage.close()


async def test_what_was_given_out_before_counts() -> None:
    outage = Outage([limit(60)], replicas=2)
    for _ in range(50):
        assert await outage.admits()
    outage.begin()
    assert sum([await outage.admits() for _ in range(60)]) <= 30
    assert sum([await outage.admits(1) for _ in range(60)]) <= 30
    await outage.close()


async def test_what_was_given_out_meanwhile_counts_afterwards() -> None:
    outage = Outage([limit(60)], replicas=2)
    outage.begin()
    assert sum([await outage.admits() for _ in range(60)]) == 30
    await outage.end()
    outage.now += 0.3
    assert sum([await outage.admits() for _ in range(60)]) == 30
    await outage.close()


async def test_nobody_asks_counters_that_are_known_to_be_away() -> None:
    outage = Outage([limit(6_000)], replicas=1)
    outage.begin()
    for _ in range(100):
        assert await outage.admits()
        outage.now += 0.5
    assert outage.views[0].exchanges == 2
    await outage.end()
    outage.now += 2
    assert await outage.admits()
    assert outage.views[0].exchanges == 3
    await outage.close()


async def test_a_large_request_has_its_turn_even_so() -> None:
    outage = Outage([limit(10_000, "output_tokens")], replicas=4)
    outage.begin()
    assert await outage.admits(output=8_000)
    assert not await outage.admits(output=8_000)
    await outage.close()


async def test_a_single_failure_is_not_an_outage() -> None:
    outage = Outage([limit(60)], replicas=1)
    outage.begin()
    assert await outage.admits()
    outage.views[0].away = False
    outage.now += 2
    assert await outage.admits()
    assert not outage.steady[0].is_alone
    with pytest.raises(CountersAway):
        outage.views[0].away = True
        await outage.views[0].exchange([])
    await outage.close()
