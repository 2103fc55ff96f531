"""`/v1/me`: who calls, and what they may still spend."""

from typing import Literal

from fastapi import APIRouter

from deployments.api.management.access import Caller, owners_of
from deployments.api.management.budget_views import StatusOut, show_status
from deployments.api.management.fields import Out
from models.ledger.budgets import BudgetManager


class Me(Out):
    object: Literal["principal"] = "principal"
    tenant_id: str
    user_id: str
    team_id: str | None
    key_id: str
    roles: list[str]
    scopes: list[str]
    budgets: list[StatusOut]


def router(manager: BudgetManager) -> APIRouter:
    async def me(caller: Caller) -> Me:
        """Who calls, and the budgets that a call of theirs counts against, the tightest first."""
        return Me(
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            team_id=caller.team_id,
            key_id=caller.key_id,
            roles=sorted(caller.roles),
            scopes=sorted(caller.scopes),
            budgets=[show_status(status) for status in await manager.statuses(owners_of(caller))],
        )

    routes = APIRouter(prefix="/v1", tags=["keys"])
    routes.add_api_route("/me", me, methods=["GET"])
    return routes
