"""Group commit of reservations and outcomes, over the ledger in memory."""

import asyncio
from collections.abc import Sequence

import pytest

from models.errors import BudgetExceeded, BudgetHeld, Internal, Overloaded
from models.ledger import Ask, Grant, UsageRecord
from models.ledger import batcher as batcher_module
from models.ledger.batcher import LedgerBatcher
from models.ledger.memory import Budget, InMemoryLedgerStore
from tests.ledger_samples import ask, record


class SlowStore(InMemoryLedgerStore):
    """Each transaction takes a moment; `poison` cannot be stored; `away` fails all."""

    def __init__(self, budgets: Sequence[Budget] = (), *, lease_s: float = 30.0) -> None:
        super().__init__(budgets, lease_s=lease_s)
        self.batches: list[int] = []
        self.away: Exception | None = None

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        self.batches.append(len(records) + len(asks))
        await asyncio.sleep(0.001)
        await self.ping()
        if any(r.request_id == "poison" for r in records):
            raise Internal("refused")
        return await super().apply(records, asks)

    async def ping(self) -> None:
        if self.away is not None:
            raise self.away


def key_budget(limit_pico: int) -> Budget:
    return Budget("key", "key_1", limit_pico)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher_module, "AWAY_S", 0.01)
    monkeypatch.setattr(batcher_module, "LOOK_AGAIN_S", 0.01)


async def test_what_comes_while_a_transaction_runs_is_the_next_one() -> None:
    store = SlowStore()
    batcher = LedgerBatcher(store)
    first = asyncio.create_task(batcher.settle(record("0")))
    await asyncio.sleep(0)
    await asyncio.gather(first, *(batcher.settle(record(str(n))) for n in range(1, 300)))
    assert store.batches == [1, 256, 43]
    assert len(store.usage) == 300


async def test_a_reservation_and_its_outcome_move_money_once() -> None:
    store = SlowStore([budget := key_budget(2_000)])
    batcher = LedgerBatcher(store)
    assert await batcher.reserve(ask()) == 500
    assert await batcher.reserve(ask()) == 500
    assert (budget.pending_pico, budget.posted_pico) == (500, 0)
    for _ in range(3):
        await batcher.settle(record())
    assert (budget.pending_pico, budget.posted_pico) == (0, 300)


async def test_the_same_outcome_twice_at_once_is_one() -> None:
    store = SlowStore()
    batcher = LedgerBatcher(store)
    await batcher.reserve(ask())
    await asyncio.gather(*(batcher.settle(record()) for _ in range(5)))
    assert sorted(store.transfers) == ["req_1/0", "req_1/0:end"]


async def test_what_is_spent_is_refused_for_good_and_what_is_held_for_now() -> None:
    batcher = LedgerBatcher(SlowStore([key_budget(550)]))
    await batcher.reserve(ask("a"))
    with pytest.raises(BudgetHeld) as held:
        await batcher.reserve(ask("b"))
    assert held.value.retry_after_s
    await batcher.settle(record("a", cost_pico=500))
    with pytest.raises(BudgetExceeded, match="0\\.00000000005 USD left"):
        await batcher.reserve(ask("b"))


async def test_whoever_may_wait_gets_what_becomes_free() -> None:
    batcher = LedgerBatcher(SlowStore([key_budget(550)]))
    await batcher.reserve(ask("a"))
    waiting = [asyncio.create_task(batcher.reserve(ask(f"w{n}", wait_s=5.0))) for n in range(3)]
    await asyncio.sleep(0.03)
    assert not any(task.done() for task in waiting)
    await batcher.settle(record("a", cost_pico=100))
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [450]
    for task in waiting:
        task.cancel()


async def test_whoever_has_waited_long_enough_hears_why() -> None:
    batcher = LedgerBatcher(SlowStore([key_budget(550)]))
    await batcher.reserve(ask("a"))
    with pytest.raises(BudgetHeld):
        await batcher.reserve(ask("b", wait_s=0.03))


async def test_another_writers_release_is_noticed() -> None:
    store = SlowStore([key_budget(550)])
    batcher, other = LedgerBatcher(store), LedgerBatcher(store)
    await batcher.reserve(ask("a"))
    waiting = asyncio.create_task(batcher.reserve(ask("b", wait_s=5.0)))
    await asyncio.sleep(0.005)
    await other.settle(record("a", cost_pico=1))
    assert await waiting == 500


async def test_m5_a_hold_is_kept_if_its_asker_was_answered_by_another_replica() -> None:
    store = SlowStore([budget := key_budget(2_000)])
    first, other = LedgerBatcher(store), LedgerBatcher(store)
    lost = asyncio.create_task(first.reserve(ask()))
    while not store.batches:
        await asyncio.sleep(0)
    lost.cancel()  # its way to the first one broke
    assert await other.reserve(ask()) == 500
    await first.flush()
    await other.settle(record())
    assert [t.kind for t in store.transfers.values()] == ["reserve", "settle"]
    assert (budget.posted_pico, budget.pending_pico) == (300, 0)


async def test_m4_a_refusal_says_whether_it_may_be_held_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher_module, "PATIENCE_S", 0.03)
    store = SlowStore()
    batcher = LedgerBatcher(store)
    store.away = Overloaded("away")
    tried = asyncio.create_task(batcher.reserve(ask("tried")))
    while not store.batches:
        await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await tried
    assert refused.value.sent
    with pytest.raises(Overloaded) as refused:
        await batcher.reserve(ask("not tried"))
    assert not refused.value.sent


async def test_whoever_leaves_while_parked_holds_nothing() -> None:
    store = SlowStore([key_budget(550)])
    batcher = LedgerBatcher(store)
    await batcher.reserve(ask("a"))
    waiting = asyncio.create_task(batcher.reserve(ask("b", wait_s=5.0)))
    await asyncio.sleep(0.005)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await batcher.settle(record("a", cost_pico=0))
    await batcher.flush()
    assert list(store.holds) == []


async def test_one_that_cannot_be_stored_spoils_only_itself() -> None:
    store = SlowStore()
    batcher = LedgerBatcher(store)
    names = ["a", "b", "poison", "c"]
    outcomes = await asyncio.gather(*(batcher.settle(record(n)) for n in names), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), Internal, type(None)]
    assert sorted(r.request_id for r in store.usage.values()) == ["a", "b", "c"]


async def test_p10_outcomes_wait_for_the_store_even_if_nobody_waits_for_them() -> None:
    store = SlowStore()
    batcher = LedgerBatcher(store)
    store.away = Overloaded("away")
    leaving = asyncio.create_task(batcher.settle(record("left")))
    staying = asyncio.create_task(batcher.settle(record("stays")))
    await asyncio.sleep(0.03)
    leaving.cancel()
    store.away = None
    await staying
    assert sorted(r.request_id for r in store.usage.values()) == ["left", "stays"]


async def test_p9_a_reservation_outlasts_a_short_absence() -> None:
    store = SlowStore()
    batcher = LedgerBatcher(store)
    store.away = Overloaded("away")
    waiting = asyncio.create_task(batcher.reserve(ask()))
    await asyncio.sleep(0.03)
    store.away = None
    assert await waiting == 1_000


async def test_p10_in_a_long_absence_reservations_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batcher_module, "PATIENCE_S", 0.03)
    store = SlowStore()
    batcher = LedgerBatcher(store)
    store.away = Overloaded("away")
    with pytest.raises(Overloaded):
        await batcher.reserve(ask("a"))
    before = len(store.batches)
    with pytest.raises(Overloaded) as refused:
        await batcher.reserve(ask("b"))
    assert refused.value.retry_after_s
    assert len(store.batches) == before
    store.away = None
    await batcher.flush()  # by itself it notices that the store is back
    assert await batcher.reserve(ask("c")) == 1_000


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher_module, "MAX_WAITING", 2)
    batcher = LedgerBatcher(SlowStore())
    outcomes = await asyncio.gather(
        *(batcher.settle(record(str(n))) for n in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 3


async def test_m4_a_hold_that_nobody_renews_is_charged_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher_module, "LEASE_S", 0.0)
    store = SlowStore([budget := key_budget(10_000)], lease_s=-1.0)
    batcher = LedgerBatcher(store)
    await batcher.reserve(ask("gone"))
    assert await batcher.sweep() == 1
    assert (budget.pending_pico, budget.posted_pico) == (0, 200)
    assert store.usage["gone/0"].status == "expired"
    await batcher.settle(record("gone", cost_pico=150))
    assert budget.posted_pico == 150
    assert store.usage["gone/0"].cost_pico == 150


async def test_holds_are_not_swept_before_their_holders_can_have_been_heard() -> None:
    store = SlowStore(lease_s=-1.0)
    batcher = LedgerBatcher(store)
    await batcher.reserve(ask("alive"))
    assert await batcher.sweep() == 0
