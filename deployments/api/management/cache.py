"""`/v1/cache`: what kept answers are not given any more, and what the semantic cache would give."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter
from msgspec.structs import asdict
from pydantic import Field, StrictBool

from deployments.api.management.access import Admin
from deployments.api.management.fields import In, Name, Out
from models.caching import CacheInvalidation, Mode, SimilarAnswers
from models.errors import InvalidRequest, NotFound
from models.identity import Directory


class InvalidateIn(In):
    """One of the three."""

    model: Name | None = Field(None, description="Answers of this model: its id or an alias.")
    user: Name | None = Field(None, description="Answers to this user, by name or id.")
    all: Annotated[StrictBool, Field(description="Every answer of the tenant's.")] = False


class Invalidated(Out):
    object: Literal["cache.invalidation"] = "cache.invalidation"
    model: str | None
    user: str | None
    """By id."""
    all: bool


class SemanticCacheOut(Out):
    """Since this replica started."""

    object: Literal["cache.semantic"] = "cache.semantic"
    mode: Mode
    looked: int
    found: int
    guarded: int
    agreed: int
    disagreed: int


def router(
    invalidation: CacheInvalidation,
    directory: Directory,
    *,
    similar: SimilarAnswers,
    model_id: Callable[[str], str],
) -> APIRouter:
    """`model_id` gives that of a name; it raises UnknownModel, and InvalidRequest for `auto`."""

    async def invalidate(caller: Admin, body: InvalidateIn) -> Invalidated:
        """What was answered until now is not given again: here at once, by other replicas as soon as they
        hear of it, within ten seconds at the latest. 503 where it cannot be made so."""
        if sum((body.model is not None, body.user is not None, body.all)) != 1:
            raise InvalidRequest("name a `model` or a `user`, or set `all`", param="model")
        tenant_id = caller.tenant_id
        if body.model is not None:
            named = model_id(body.model)
            await invalidation.invalidate_model_cache(tenant_id, named)
            return Invalidated(model=named, user=None, all=False)
        if body.user is not None:
            user_id = await directory.user_id(tenant_id, body.user)
            if user_id is None:
                raise NotFound(f"there is no user {body.user}", param="user")
            await invalidation.invalidate_user_cache(tenant_id, user_id)
            return Invalidated(model=None, user=user_id, all=False)
        await invalidation.invalidate_tenant_cache(tenant_id)
        return Invalidated(model=None, user=None, all=True)

    async def semantic(_: Admin) -> SemanticCacheOut:
        """How often this replica looked for a similar question and found one, and how often the guard told
        two apart; in shadow, how often the answers agreed."""
        return SemanticCacheOut(mode=similar.mode, **asdict(similar.counts))

    routes = APIRouter(prefix="/v1", tags=["cache"])
    routes.add_api_route("/cache/semantic", semantic, methods=["GET"])
    routes.add_api_route("/cache/invalidate", invalidate, methods=["POST"])
    return routes
