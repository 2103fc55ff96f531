"""Budgets are made, changed and looked at here.

They are enforced where money is held: by the database, in the transaction that holds it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from models.errors import InvalidRequest
from models.ledger.budget import Budget, Change, NewBudget, Owners, Scope
from models.ledger.budget_status import BudgetReport, BudgetStatus, Standing, Window, report, status
from models.ledger.windows import Period


class BudgetStore(Protocol):
    """Each method raises Overloaded if the store is away. A tenant sees nothing of another's."""

    async def add(self, budget: NewBudget) -> Budget:
        """From now on each call counts, and so does what the owner has spent in this window or holds."""

    async def change(self, tenant_id: str, budget_id: str, change: Change) -> Budget | None: ...

    async def end(self, tenant_id: str, budget_id: str) -> Budget | None:
        """It stands against nobody any more; its record stays."""

    async def standing(self, tenant_id: str, budget_id: str) -> Standing | None:
        """Of an ended one, too."""

    async def applying(self, owners: Owners) -> Sequence[Standing]: ...

    async def page(
        self, tenant_id: str, *, scope: Scope | None, owner: str | None, ended: bool, after: str, limit: int
    ) -> Sequence[Budget]:
        """Up to `limit` budgets with an id above `after`, in the order of ids; ended ones if asked for."""

    async def windows(
        self, tenant_id: str, budget_id: str, *, since: datetime | None, until: datetime | None, limit: int
    ) -> Sequence[Window]:
        """The newest `limit` of those that begin from `since` to before `until`, newest first."""


class BudgetManager:
    """Makes, changes and reports on budgets.

    A budget's usage is updated by the ledger's settle alone, in the transaction that records the charge:
    nothing else moves an account, so there is no method for it.
    """

    def __init__(self, store: BudgetStore) -> None:
        self._store = store

    async def create(
        self,
        tenant_id: str,
        *,
        scope: Scope,
        owner: str,
        period: Period,
        limit_pico: int,
        rolling_hours: int | None = None,
        hard: bool = True,
        name: str = "",
    ) -> Budget:
        if (period == "rolling") != (rolling_hours is not None):
            raise InvalidRequest(
                "a rolling period, and no other, has a number of hours", param="rolling_hours"
            )
        if scope == "tenant" and owner != tenant_id:
            raise InvalidRequest("a tenant's budget is its own", param="owner")
        return await self._store.add(
            NewBudget(
                id=str(uuid4()),
                tenant_id=tenant_id,
                scope=scope,
                owner=owner,
                period=period,
                rolling_hours=rolling_hours,
                limit_pico=limit_pico,
                hard=hard,
                name=name,
            )
        )

    async def change(self, tenant_id: str, budget_id: str, change: Change) -> Budget | None:
        """A limit below what is spent takes nothing back; it admits nothing more."""
        return await self._store.change(tenant_id, budget_id, change)

    async def end(self, tenant_id: str, budget_id: str) -> Budget | None:
        return await self._store.end(tenant_id, budget_id)

    async def page(
        self,
        tenant_id: str,
        *,
        scope: Scope | None = None,
        owner: str | None = None,
        ended: bool = False,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Budget]:
        return await self._store.page(
            tenant_id, scope=scope, owner=owner, ended=ended, after=after, limit=limit
        )

    async def status(self, tenant_id: str, budget_id: str, *, estimated_pico: int = 0) -> BudgetStatus | None:
        standing = await self._store.standing(tenant_id, budget_id)
        return None if standing is None else status(standing, estimated_pico=estimated_pico)

    async def statuses(self, owners: Owners, *, estimated_pico: int = 0) -> list[BudgetStatus]:
        """Of the budgets that apply: hard ones first, and of these the one with the least room."""
        found = [status(s, estimated_pico=estimated_pico) for s in await self._store.applying(owners)]
        return sorted(found, key=lambda s: (not s.budget.hard, s.remaining_pico))

    async def check_budget_availability(self, owners: Owners, estimated_pico: int) -> BudgetStatus | None:
        """The status of the tightest budget that applies; None where there is none.

        It tells, it does not hold: what is available now may be gone when the call is made.
        """
        found = await self.statuses(owners, estimated_pico=estimated_pico)
        return found[0] if found else None

    async def generate_budget_report(
        self,
        tenant_id: str,
        budget_id: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> BudgetReport | None:
        now = await self.status(tenant_id, budget_id)
        if now is None:
            return None
        windows = await self._store.windows(tenant_id, budget_id, since=since, until=until, limit=limit)
        return report(now, windows)
