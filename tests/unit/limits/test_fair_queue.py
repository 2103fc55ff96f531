"""Whose turn it is, who is sent away, and that nobody is forgotten."""

import asyncio
from collections.abc import Awaitable

import pytest

from models.errors import InvalidRequest, Overloaded
from models.limits import FairQueue, LoopLag, Priority, Shedder, priority_of


class Crowd:
    """Requests that take as long as they are let; remembers the order in which they came in."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.served: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, tenant: str, *, cost: int = 2_000, priority: Priority = Priority.NORMAL) -> None:
        self.tasks.append(asyncio.create_task(self._enter(tenant, cost, priority)))
        await asyncio.sleep(0)

    async def serve(self, number: int) -> None:
        for _ in range(number):
            self.queue.leave()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _enter(self, tenant: str, cost: int, priority: Priority) -> None:
        await self.queue.enter(tenant, cost=cost, priority=priority)
        self.served.append(tenant)


async def why(waiting: Awaitable[None]) -> str:
    """Why it was sent away."""
    with pytest.raises(Overloaded) as refused:
        await waiting
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s >= 1.0
    assert refused.value.sent is False
    return refused.value.message


@pytest.fixture
async def crowd() -> Crowd:
    crowd = Crowd(FairQueue(capacity=1, per_tenant=60, total=80, max_wait_s=60))
    await crowd.come("first")
    return crowd


async def test_while_there_is_room_nobody_waits() -> None:
    queue = FairQueue(capacity=2)
    async with queue.turn("a"), queue.turn("b"):
        assert (queue.running, queue.waiting, queue.fill) == (2, 0, 1.0)
    assert queue.running == 0


async def test_a_quiet_tenant_waits_for_one_request_of_a_noisy_one_not_for_all(crowd: Crowd) -> None:
    for _ in range(50):
        await crowd.come("noisy")
    for _ in range(3):
        await crowd.come("quiet")
    await crowd.serve(7)
    assert crowd.served.count("quiet") == 3
    await crowd.serve(47)
    assert crowd.served.count("noisy") == 50


async def test_turns_are_measured_in_tokens(crowd: Crowd) -> None:
    for _ in range(10):
        await crowd.come("large", cost=8_000)
        await crowd.come("small", cost=1_000)
    await crowd.serve(9)
    assert crowd.served.count("small") >= 7


async def test_more_important_ones_go_first(crowd: Crowd) -> None:
    await crowd.come("batch", priority=Priority.LOW)
    await crowd.come("a")
    await crowd.come("b", priority=Priority.HIGH)
    await crowd.serve(3)
    assert crowd.served == ["first", "b", "a", "batch"]


async def test_a_full_queue_sends_away_what_is_less_important(crowd: Crowd) -> None:
    for _ in range(60):
        await crowd.come("batch", priority=Priority.LOW)
    for _ in range(20):
        await crowd.come("a")
    assert "too many requests of this tenant" in await why(crowd.queue.enter("batch", priority=Priority.LOW))
    assert "too many requests wait" in await why(crowd.queue.enter("c", priority=Priority.LOW))
    await crowd.come("b")
    assert "more important" in await why(crowd.tasks[60])
    assert crowd.queue.waiting == 80


async def test_nobody_waits_longer_than_the_limit() -> None:
    queue = FairQueue(capacity=1, max_wait_s=0.01)
    await queue.enter("a")
    assert "too long" in await why(queue.enter("b"))
    assert queue.waiting == 0
    queue.leave()
    await queue.enter("c")
    assert queue.running == 1


async def test_when_all_have_waited_long_the_newest_is_served_first() -> None:
    now = 0.0
    queue = FairQueue(capacity=1, max_wait_s=60, clock=lambda: now)
    crowd = Crowd(queue)
    await crowd.come("first")
    for _ in range(3):
        await crowd.come("a")
        now += 20
    await crowd.serve(1)
    assert [task.done() for task in crowd.tasks] == [True, False, False, True]
    crowd.tasks[1].cancel()
    crowd.tasks[2].cancel()


async def test_a_client_that_leaves_takes_no_place(crowd: Crowd) -> None:
    for tenant in ("a", "b", "c"):
        await crowd.come(tenant)
    crowd.tasks[1].cancel()
    crowd.queue.leave()
    crowd.tasks[2].cancel()  # it was let in a moment ago and does not know yet
    await asyncio.gather(*crowd.tasks, return_exceptions=True)
    assert crowd.served == ["first", "c"]
    await crowd.serve(1)
    assert (crowd.queue.running, crowd.queue.waiting) == (0, 0)


@pytest.mark.parametrize(
    ("pressure", "turned_away"),
    [
        (0.0, []),
        (0.69, []),
        (0.7, [Priority.LOW]),
        (0.9, [Priority.NORMAL, Priority.LOW]),
        (1.5, list(Priority)),
    ],
)
def test_the_least_important_go_first(pressure: float, turned_away: list[Priority]) -> None:
    shedder = Shedder([lambda: 0.1, lambda: pressure])
    for priority in Priority:
        if priority not in turned_away:
            shedder.check(priority)
            continue
        with pytest.raises(Overloaded) as refused:
            shedder.check(priority)
        assert refused.value.retry_after_s


async def test_the_lag_of_the_loop_is_a_pressure() -> None:
    lag = LoopLag(bad_s=0.001, every_s=0.001)
    lag.start()
    async with asyncio.timeout(5):
        while lag.pressure() < 1.0:
            sum(range(200_000))
            await asyncio.sleep(0)
    lag.stop()


@pytest.mark.parametrize(
    ("said", "tier", "may_be_high", "priority"),
    [
        ("", None, False, Priority.NORMAL),
        ("", "flex", False, Priority.LOW),
        ("normal", "flex", False, Priority.NORMAL),
        ("low", None, False, Priority.LOW),
        ("Batch ", None, True, Priority.LOW),
        ("high", None, False, Priority.NORMAL),
        ("high", None, True, Priority.HIGH),
    ],
)
def test_what_a_client_says_of_its_request(
    said: str, tier: str | None, may_be_high: bool, priority: Priority
) -> None:
    assert priority_of(said, service_tier=tier, may_be_high=may_be_high) is priority


def test_a_word_that_is_no_priority_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        priority_of("urgent")
