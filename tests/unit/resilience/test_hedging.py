"""Two calls at once: the one that begins first is the answer, and nothing of the other is lost."""

import asyncio

import pytest

from models.errors import PolyvoxError, ProviderOverloaded, ProviderUnavailable
from models.hedging import alone, first_to_begin, hedge_allowance


class Runner:
    """Begins when it is told to, or fails with what it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left: list[bool] = []
        """Each time it was: whether what it had said is the answer all the same."""

    async def begin(self) -> None:
        await asyncio.shield(self.outcome)

    def leave(self, *, keeps_turn: bool = True) -> None:
        self.left.append(keeps_turn)

    def begins(self) -> None:
        self.outcome.set_result(None)

    def fails(self, error: Exception) -> None:
        self.outcome.set_exception(error)


class Race:
    def __init__(self, *, may_hedge: bool = True, after_s: float = 0.02) -> None:
        self.first, self.second = Runner("first"), Runner("second")
        self.hedged = asyncio.Event()
        self.failures: list[tuple[str, PolyvoxError]] = []
        self._may_hedge = may_hedge
        self.task = asyncio.create_task(
            first_to_begin(
                self.first,
                after_s=after_s,
                second=self._another,
                failed=lambda runner, error: self.failures.append((runner.name, error)),
            )
        )

    async def _another(self) -> Runner | None:
        self.hedged.set()
        return self.second if self._may_hedge else None

    async def until_hedged(self) -> None:
        await self.hedged.wait()
        await asyncio.sleep(0.001)


busy = ProviderOverloaded("busy")


async def test_u9_one_that_is_in_time_is_alone() -> None:
    race = Race(after_s=5)
    await asyncio.sleep(0)
    race.first.begins()
    assert await race.task is race.first
    assert not race.hedged.is_set()


async def test_u9_the_second_wins_and_the_first_is_left_behind() -> None:
    race = Race()
    await race.until_hedged()
    race.second.begins()
    assert await race.task is race.second
    assert (race.first.left, race.second.left) == ([False], [])


async def test_u9_the_first_wins_after_all() -> None:
    race = Race()
    await race.until_hedged()
    race.first.begins()
    assert await race.task is race.first
    assert (race.first.left, race.second.left) == ([], [False])


async def test_u9_where_there_may_be_no_second_the_first_is_waited_for() -> None:
    race = Race(may_hedge=False)
    await race.until_hedged()
    race.first.begins()
    assert await race.task is race.first


async def test_one_that_fails_leaves_it_to_the_other() -> None:
    race = Race()
    await race.until_hedged()
    race.first.fails(busy)
    await asyncio.sleep(0.001)
    race.second.begins()
    assert await race.task is race.second
    assert race.failures == [("first", busy)]
    assert race.first.left == []


async def test_if_both_fail_the_last_error_is_raised() -> None:
    race = Race()
    await race.until_hedged()
    race.second.fails(busy)
    await asyncio.sleep(0.001)
    last = ProviderUnavailable("broken")
    race.first.fails(last)
    with pytest.raises(ProviderUnavailable):
        await race.task
    assert race.failures == [("second", busy), ("first", last)]


async def test_one_that_fails_before_there_is_a_second_is_raised_at_once() -> None:
    race = Race(after_s=5)
    await asyncio.sleep(0)
    race.first.fails(busy)
    with pytest.raises(ProviderOverloaded):
        await race.task
    assert race.failures == [("first", busy)]
    assert not race.hedged.is_set()


async def test_a_request_that_is_given_up_leaves_both() -> None:
    race = Race()
    await race.until_hedged()
    race.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race.task
    assert (race.first.left, race.second.left) == ([True], [False])


async def test_a_bug_is_not_waited_over() -> None:
    race = Race()
    await race.until_hedged()
    race.second.fails(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await race.task
    assert len(race.first.left) == len(race.second.left) == 1


async def test_one_alone_fails_or_is_given_up() -> None:
    failures: list[PolyvoxError] = []

    def begun(runner: Runner) -> asyncio.Task[Runner]:
        return asyncio.create_task(alone(runner, failed=lambda _, error: failures.append(error)))

    failing, good, given_up = Runner("failing"), Runner("good"), Runner("given up")
    failing.fails(busy)
    good.begins()
    with pytest.raises(ProviderOverloaded):
        await begun(failing)
    assert await begun(good) is good
    task = begun(given_up)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert failures == [busy]
    assert [runner.left for runner in (failing, good, given_up)] == [[], [], [True]]


def test_u9_second_calls_are_a_twentieth_of_requests() -> None:
    allowance = hedge_allowance(lambda: 0.0)
    hedged = 0
    for _ in range(1_000):
        allowance.earn()
        hedged += allowance.take()
    assert 49 <= hedged <= 52
