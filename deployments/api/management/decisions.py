"""`/v1/requests/{id}/decision`: why a model was chosen."""

from typing import Annotated

from fastapi import APIRouter, Path

from deployments.api.management.access import Caller, administers
from deployments.api.management.decision_views import DecisionOut, shown
from models.errors import NotFound
from models.routing.decisions import Decisions

RequestId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,128}$")]


def router(decisions: Decisions) -> APIRouter:
    async def get(caller: Caller, request_id: RequestId) -> DecisionOut:
        """Candidates with their figures, who was dropped and why, and what the others would have cost. Only
        requests that left the choice open have a decision."""
        whose = None if administers(caller) else caller.user_id
        found = await decisions.find(caller.tenant_id, request_id, user_id=whose)
        if found is None:
            raise NotFound(f"there is no decision on a request {request_id}")
        return shown(found)

    routes = APIRouter(prefix="/v1", tags=["requests"])
    routes.add_api_route("/requests/{request_id}/decision", get, methods=["GET"])
    return routes
