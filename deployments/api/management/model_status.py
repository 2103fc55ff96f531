"""`/api/models/status`: which models can be called now, by how calls to them went."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter
from msgspec.structs import asdict
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from deployments.api.management.access import Caller
from deployments.api.management.fields import Out
from models.routing.performance import ModelStatus

Statuses = Callable[[], Sequence[ModelStatus]]
"""Of the models that there are credentials for."""


class StatusOut(Out):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    model_id: str
    state: Literal["available", "degraded", "unavailable"]
    availability: float
    error_rate: float
    busy_rate: float
    calls: float
    blocked_for_s: float
    headroom: float
    breaker: Literal["closed", "open", "half_open"] = "closed"
    health: Annotated[
        Literal["unknown", "healthy", "degraded", "unavailable"],
        Field(description="Of its host, as the last call or cheap question told."),
    ] = "unknown"


class StatusList(Out):
    object: Literal["list"] = "list"
    data: list[StatusOut]


def router(statuses: Statuses) -> APIRouter:
    async def status(caller: Caller) -> StatusList:
        """Shares and rates are of the last minutes, the latest counting most."""
        del caller
        return StatusList(data=[StatusOut.model_validate(asdict(one)) for one in statuses()])

    routes = APIRouter(tags=["models"])
    routes.add_api_route("/api/models/status", status, methods=["GET"])
    return routes
