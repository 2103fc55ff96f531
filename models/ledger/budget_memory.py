"""Budgets without a database, for tests and for trying things out."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import asdict, replace

from models.ledger.budget import Budget, Change, NewBudget, Owners, Scope, changed
from models.ledger.budget_status import Standing, Window
from models.ledger.windows import counts_from, window_end, window_start


def _now() -> datetime:
    return datetime.now(UTC)


class InMemoryBudgetStore:
    """What is spent is told with `spend`; `clock` says what time it is."""

    def __init__(self, *, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._budgets: dict[str, Budget] = {}
        self._spent: list[tuple[datetime, Owners, int]] = []
        self._held: list[tuple[Owners, int]] = []

    def spend(self, owners: Owners, cost_pico: int) -> None:
        self._spent.append((self._clock(), owners, cost_pico))

    def hold(self, owners: Owners, amount_pico: int) -> None:
        self._held.append((owners, amount_pico))

    async def add(self, budget: NewBudget) -> Budget:
        made = Budget(**asdict(budget), created_at=self._clock())
        return self._budgets.setdefault(made.id, made)

    async def change(self, tenant_id: str, budget_id: str, change: Change) -> Budget | None:
        budget = self._find(tenant_id, budget_id)
        if budget is None or budget.ended_at is not None:
            return None
        self._budgets[budget_id] = changed(budget, change)
        return self._budgets[budget_id]

    async def end(self, tenant_id: str, budget_id: str) -> Budget | None:
        budget = self._find(tenant_id, budget_id)
        if budget is not None and budget.ended_at is None:
            budget = self._budgets[budget_id] = replace(budget, ended_at=self._clock())
        return budget

    async def standing(self, tenant_id: str, budget_id: str) -> Standing | None:
        budget = self._find(tenant_id, budget_id)
        return None if budget is None else self._standing(budget)

    async def applying(self, owners: Owners) -> Sequence[Standing]:
        return [self._standing(b) for b in self._budgets.values() if b.ended_at is None and owners.owns(b)]

    async def page(
        self, tenant_id: str, *, scope: Scope | None, owner: str | None, ended: bool, after: str, limit: int
    ) -> Sequence[Budget]:
        found = [
            b
            for b in self._budgets.values()
            if b.tenant_id == tenant_id
            and b.id > after
            and scope in (None, b.scope)
            and owner in (None, b.owner)
            and (ended or b.ended_at is None)
        ]
        return sorted(found, key=lambda b: b.id)[:limit]

    async def windows(
        self, tenant_id: str, budget_id: str, *, since: datetime | None, until: datetime | None, limit: int
    ) -> Sequence[Window]:
        budget = self._find(tenant_id, budget_id)
        if budget is None:
            return []
        now = window_start(budget.period, budget.rolling_hours, self._clock())
        moments = [budget.created_at, *(at for at, owners, _ in self._spent if owners.owns(budget))]
        starts = {window_start(budget.period, budget.rolling_hours, at) for at in moments}
        wanted = [s for s in starts if (since is None or s >= since) and (until is None or s < until)]
        return [self._window(budget, start, now=now) for start in sorted(wanted, reverse=True)[:limit]]

    def _find(self, tenant_id: str, budget_id: str) -> Budget | None:
        budget = self._budgets.get(budget_id)
        return budget if budget is not None and budget.tenant_id == tenant_id else None

    def _standing(self, budget: Budget) -> Standing:
        at = self._clock()
        start = counts_from(budget.period, budget.rolling_hours, at)
        return Standing(
            budget=budget,
            spent_pico=self._spent_from(budget, start, at),
            held_pico=self._held_of(budget),
            window_start=start,
            window_end=window_end(budget.period, budget.rolling_hours, at),
            at=at,
        )

    def _window(self, budget: Budget, start: datetime, *, now: datetime) -> Window:
        counted_from = counts_from(budget.period, budget.rolling_hours, start)
        return Window(
            window_start=start,
            window_end=window_end(budget.period, budget.rolling_hours, start),
            limit_pico=budget.limit_pico,
            opening_pico=0,
            posted_pico=self._spent_from(budget, start, start),
            held_pico=self._held_of(budget) if start == now else 0,
            counted_pico=self._spent_from(budget, counted_from, start),
        )

    def _spent_from(self, budget: Budget, start: datetime, last: datetime) -> int:
        """From `start` to the end of the window that `last` lies in."""
        end = window_end(budget.period, budget.rolling_hours, last)
        return sum(
            cost
            for at, owners, cost in self._spent
            if owners.owns(budget) and at >= start and (end is None or at < end)
        )

    def _held_of(self, budget: Budget) -> int:
        return sum(amount for owners, amount in self._held if owners.owns(budget))
