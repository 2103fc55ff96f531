"""The ledger in memory, as seen from outside."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from models.ledger import Ask, Grant, UsageRecord
from models.ledger.memory import Budget, InMemoryLedgerStore
from tests.money.ledger_model import LEASE_S, Kind, Limit, Picture


class MemoryUnderTest:
    def __init__(self, limits: Sequence[Limit]) -> None:
        self._now = datetime(2026, 11, 24, tzinfo=UTC)
        budgets = [Budget(limit.scope, limit.owner, limit.pico) for limit in limits]
        self.store = InMemoryLedgerStore(budgets, lease_s=LEASE_S)
        self.store.now = lambda: self._now

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        return await self.store.apply(records, asks)

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        await self.store.renew(records)

    async def lapsed(self) -> list[UsageRecord]:
        return await self.store.expired(limit=1_000)

    async def pause(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def picture(self) -> Picture:
        store = self.store
        moves: dict[str, tuple[tuple[Kind, int], ...]] = {}
        accounts: Counter[str] = Counter()
        for key, transfer in store.transfers.items():
            assert sum(transfer.entries.values()) == 0, transfer
            accounts.update(transfer.entries)
            call = key.partition(":")[0]
            moves[call] = (*moves.get(call, ()), (transfer.kind, transfer.amount_pico))
        return Picture(
            balances=tuple((budget.posted_pico, budget.pending_pico) for budget in store.budgets),
            holds={op_key: hold.amount_pico for op_key, hold in store.holds.items()},
            moves=moves,
            accounts={account: pico for account, pico in accounts.items() if pico},
            usage={
                op_key: (record.status, record.cost_pico, record.discount_pico)
                for op_key, record in store.usage.items()
            },
        )
