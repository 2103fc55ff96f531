"""`/v1/budgets`: limits on what a tenant, team, user, key or conversation may spend."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from deployments.api.management.access import Admin, Caller, administers, owners_of
from deployments.api.management.budget_views import (
    BudgetChange,
    BudgetIn,
    BudgetOut,
    BudgetsWanted,
    ReportOut,
    ReportWanted,
    StatusOut,
    StatusWanted,
    show_budget,
    show_report,
    show_status,
)
from deployments.api.management.fields import Page, page
from models.errors import InvalidRequest, NotFound
from models.identity import Directory, KeyRing, Principal
from models.ledger.budget import Budget, Change, Scope
from models.ledger.budget_status import BudgetStatus
from models.ledger.budgets import BudgetManager
from models.money import pico


def router(manager: BudgetManager, directory: Directory, ring: KeyRing) -> APIRouter:
    budgets = _Budgets(manager, directory, ring)
    routes = APIRouter(prefix="/v1", tags=["budgets"])
    routes.add_api_route("/budgets", budgets.create, methods=["POST"], status_code=201)
    routes.add_api_route("/budgets", budgets.page, methods=["GET"])
    routes.add_api_route("/budgets/{budget_id}", budgets.get, methods=["GET"])
    routes.add_api_route("/budgets/{budget_id}", budgets.change, methods=["PATCH"])
    routes.add_api_route("/budgets/{budget_id}", budgets.end, methods=["DELETE"])
    routes.add_api_route("/budgets/{budget_id}/status", budgets.status, methods=["GET"])
    routes.add_api_route("/budgets/{budget_id}/report", budgets.report, methods=["GET"])
    return routes


class _Budgets:
    def __init__(self, manager: BudgetManager, directory: Directory, ring: KeyRing) -> None:
        self._manager = manager
        self._directory = directory
        self._ring = ring

    async def create(self, caller: Admin, body: BudgetIn) -> BudgetOut:
        """What the owner has already spent in the window counts from the start."""
        budget = await self._manager.create(
            caller.tenant_id,
            scope=body.scope,
            owner=await self._owner_id(caller.tenant_id, body.scope, body.owner),
            period=body.period,
            rolling_hours=body.rolling_hours,
            limit_pico=pico(body.limit_usd),
            hard=body.hard,
            name=body.name,
        )
        return show_budget(budget)

    async def page(self, caller: Caller, wanted: Annotated[BudgetsWanted, Query()]) -> Page[BudgetOut]:
        """An administrator's tenant's budgets; anybody else's are those that apply to the key that asks."""
        found = await (self._every if administers(caller) else self._own)(caller, wanted)
        return page(found, wanted.limit, show_budget)

    async def get(self, caller: Caller, budget_id: UUID) -> BudgetOut:
        return show_budget((await self._status(caller, budget_id)).budget)

    async def change(self, caller: Admin, budget_id: UUID, body: BudgetChange) -> BudgetOut:
        """A limit below what is spent takes nothing back; it admits nothing more in this window."""
        change = Change(
            limit_pico=None if body.limit_usd is None else pico(body.limit_usd),
            hard=body.hard,
            name=body.name,
        )
        return _known(await self._manager.change(caller.tenant_id, str(budget_id), change), budget_id)

    async def end(self, caller: Admin, budget_id: UUID) -> BudgetOut:
        """It stands against nobody any more; what it recorded stays."""
        return _known(await self._manager.end(caller.tenant_id, str(budget_id)), budget_id)

    async def status(
        self, caller: Caller, budget_id: UUID, wanted: Annotated[StatusWanted, Query()]
    ) -> StatusOut:
        return show_status(await self._status(caller, budget_id, estimated_pico=pico(wanted.estimated_usd)))

    async def report(
        self, caller: Caller, budget_id: UUID, wanted: Annotated[ReportWanted, Query()]
    ) -> ReportOut:
        """Window by window, newest first: those that begin from `since` to before `until`."""
        await self._status(caller, budget_id)
        found = await self._manager.generate_budget_report(
            caller.tenant_id, str(budget_id), since=wanted.since, until=wanted.until, limit=wanted.limit
        )
        if found is None:
            raise _unknown(budget_id)
        return show_report(found)

    async def _every(self, caller: Principal, wanted: BudgetsWanted) -> Sequence[Budget]:
        owner = wanted.owner
        if owner is not None and wanted.scope is not None:
            owner = await self._owner_id(caller.tenant_id, wanted.scope, owner)
        return await self._manager.page(
            caller.tenant_id,
            scope=wanted.scope,
            owner=owner,
            ended=wanted.ended,
            after="" if wanted.after is None else str(wanted.after),
            limit=wanted.limit + 1,
        )

    async def _own(self, caller: Principal, wanted: BudgetsWanted) -> Sequence[Budget]:
        found = [s.budget for s in await self._manager.statuses(owners_of(caller))]
        found = [b for b in found if wanted.scope in (None, b.scope) and wanted.owner in (None, b.owner)]
        found = [b for b in found if wanted.after is None or b.id > str(wanted.after)]
        return sorted(found, key=lambda budget: budget.id)

    async def _status(self, caller: Principal, budget_id: UUID, *, estimated_pico: int = 0) -> BudgetStatus:
        found = await self._manager.status(caller.tenant_id, str(budget_id), estimated_pico=estimated_pico)
        if found is None or not (administers(caller) or owners_of(caller).owns(found.budget)):
            raise _unknown(budget_id)
        return found

    async def _owner_id(self, tenant_id: str, scope: Scope, owner: str | None) -> str:
        """Raises InvalidRequest for an owner that the tenant does not have."""
        if scope == "tenant":
            found: str | None = tenant_id if owner in (None, tenant_id) else None
        elif owner is None:
            raise InvalidRequest("whose budget is it?", param="owner")
        elif scope == "user":
            found = await self._directory.user_id(tenant_id, owner)
        elif scope == "team":
            found = await self._directory.team_id(tenant_id, owner)
        elif scope == "key":
            record = await self._ring.find_key(owner)
            found = record.id if record is not None and record.tenant_id == tenant_id else None
        else:
            found = owner
        if found is None:
            raise InvalidRequest(f"there is no {scope} {owner}", param="owner")
        return found


def _unknown(budget_id: UUID) -> NotFound:
    return NotFound(f"there is no budget {budget_id}")


def _known(budget: Budget | None, budget_id: UUID) -> BudgetOut:
    if budget is None:
        raise _unknown(budget_id)
    return show_budget(budget)
