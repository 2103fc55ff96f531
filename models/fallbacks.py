"""Who may answer in place of a model that is named, where the request allows it."""

import logging
from collections.abc import Container
from datetime import UTC, datetime

from models.caller import Caller
from models.catalog import Auto, Catalog, Mode, Model
from models.chat import ChatRequest
from models.conversing import Standing
from models.errors import PolyvoxError
from models.model_router import ModelRouter
from models.routing import estimate_input_tokens
from models.routing.needs import needs
from models.routing.rule import misfit

log = logging.getLogger(__name__)


async def fallbacks(
    named: Model,
    request: ChatRequest,
    caller: Caller,
    standing: Standing | None,
    *,
    catalog: Catalog,
    available: Container[str],
    router: ModelRouter,
) -> list[Model]:
    """In the request's order; those that could not serve it are left out. Raises UnknownModel, and
    PermissionDenied where a policy forbids one."""
    found: dict[str, Model] = {}
    for name in caller.resilience.fallback:
        other = catalog.resolve(name)
        if isinstance(other, Auto):
            for model_id in await _routed(other.mode, request, caller, standing, router):
                found.setdefault(model_id, catalog.models[model_id])
            continue
        await router.check_access(other, caller)
        if _fits(other, request, available):
            found.setdefault(other.id, other)
    found.pop(named.id, None)
    return list(found.values())


async def _routed(
    mode: Mode, request: ChatRequest, caller: Caller, standing: Standing | None, router: ModelRouter
) -> list[str]:
    """The router's candidates; none if it has none or cannot be asked: the one that is named still can."""
    try:
        plan = await router.get_recommendations(request, mode, caller, standing)
    except PolyvoxError as error:
        log.info("there is no fallback: %s", error)
        return []
    return [candidate.model_id for candidate in plan.candidates]


def _fits(model: Model, request: ChatRequest, available: Container[str]) -> bool:
    dropped = misfit(
        model,
        request,
        needed=needs(request),
        available=available,
        input_tokens=estimate_input_tokens(request),
        day=datetime.now(UTC).date(),
    )
    return dropped is None
