"""Calls that money is held for, over a ledger that answers when it is let."""

import asyncio
from collections.abc import Sequence

import pytest

from models.ledger import Ask, Grant, UsageRecord
from models.ledger.batcher import LedgerBatcher
from models.ledger.memory import Budget, InMemoryLedgerStore
from models.ledger.usage import Status
from models.open_calls import OpenCalls
from tests.ledger_samples import ask, record


class Call:
    """One that was not made."""

    op_key = "req_1/0"
    age_s = 0.0

    def ask(self, *, wait_s: float) -> Ask:
        return ask(wait_s=wait_s)

    def progress(self) -> UsageRecord:
        return record(status="expired", estimated=True)

    def record(self, status: Status) -> UsageRecord:
        return record(status=status, cost_pico=0)


class Gated(InMemoryLedgerStore):
    """Commits when it is let, and answers when it is let."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        super().__init__(budgets)
        self.reached, self.may_commit, self.may_answer = (asyncio.Event() for _ in range(3))

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        self.reached.set()
        await self.may_commit.wait()
        granted = await super().apply(records, asks)
        await self.may_answer.wait()
        return granted


@pytest.mark.parametrize("committed", [False, True])
async def test_m4_whoever_leaves_while_money_is_held_says_so_and_holds_nothing(committed: bool) -> None:
    store = Gated([budget := Budget("key", "key_1", 2_000)])
    calls = OpenCalls(LedgerBatcher(store))
    leaving = asyncio.create_task(calls.reserve(Call(), wait_s=0.0))
    await store.reached.wait()
    if committed:
        store.may_commit.set()
        while not store.holds:
            await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    store.may_commit.set()
    store.may_answer.set()
    await calls.settle_all()
    assert [transfer.kind for transfer in store.transfers.values()] == ["reserve", "release"]
    assert (budget.posted_pico, budget.pending_pico) == (0, 0)


async def test_m4_whoever_leaves_before_being_heard_holds_nothing_later() -> None:
    store = InMemoryLedgerStore([budget := Budget("key", "key_1", 2_000)])
    ledger = LedgerBatcher(store)
    calls = OpenCalls(ledger)
    leaving = asyncio.create_task(calls.reserve(Call(), wait_s=0.0))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await calls.settle_all()
    [late] = await store.apply([], [ask()])  # it was on its way for so long
    assert late.granted_pico is None
    assert (budget.posted_pico, budget.pending_pico, store.holds) == (0, 0, {})
