"""`/v1/limits`: what keys, users, teams and the tenant may have per minute and at once."""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from pydantic import Field, StrictBool, StrictInt

from deployments.api.management.access import Admin, Caller, administers
from deployments.api.management.fields import In, Limit, Name, Out, Page, Usd, page
from models.errors import InvalidRequest, NotFound, PermissionDenied
from models.identity import Directory, KeyRing, Principal
from models.limits.book import LimitBook, LimitStore
from models.limits.limit import Limit as RateLimit
from models.limits.limit import Measure, Scope, Who
from models.money import PICO_PER_USD, pico, usd_text

MAX_AMOUNT = 10**12
MAX_USD = 1_000_000
MAX_BURST = 60
"""Of the amount: an hour's worth at once."""

Amount = Annotated[StrictInt, Field(ge=1, le=MAX_AMOUNT)]


class Limits(LimitStore, Protocol):
    async def operates(self, tenant_id: str, ops_tenant: str) -> bool: ...


class LimitIn(In):
    installation: StrictBool = Field(False, description="Of the whole installation: for those who run it.")
    scope: Scope
    owner: Name | None = Field(
        None,
        description="Of a user or team a name or id, of a key its id; without it each has as much, apart.",
    )
    model: Name | None = Field(None, description="Of calls of this model alone.")
    provider: Name | None = Field(None, description="Of calls of this provider's models alone.")
    measure: Measure = Field(description="`concurrent` is of requests under way at once.")
    amount: Amount | None = Field(None, description="Per minute, or at once; not of `spend`.")
    burst: Amount | None = Field(None, description="At once after a pause; without it the whole amount.")
    amount_usd: Usd | None = Field(None, description="Of `spend`, per minute.")
    burst_usd: Usd | None = None


class LimitOut(Out):
    object: Literal["limit"] = "limit"
    id: str
    installation: bool
    scope: Scope
    owner: str | None
    model: str | None
    provider: str | None
    measure: Measure
    amount: int | None
    burst: int | None
    amount_usd: str | None
    burst_usd: str | None


class LimitDeleted(Out):
    object: Literal["limit"] = "limit"
    id: str
    deleted: Literal[True] = True


class LimitsWanted(In):
    installation: bool = Field(False, description="The installation's, for those who run it.")
    after: UUID | None = None
    limit: Limit = 100


def router(
    limits: Limits,
    directory: Directory,
    ring: KeyRing,
    *,
    book: LimitBook | None = None,
    ops_tenant: str = "default",
) -> APIRouter:
    """`book` is this process's own, which then takes up a change at once; the others do within seconds."""
    served = _Limits(limits, directory, ring, book, ops_tenant)
    routes = APIRouter(prefix="/v1", tags=["limits"])
    routes.add_api_route("/limits", served.page, methods=["GET"])
    routes.add_api_route("/limits", served.put, methods=["PUT"])
    routes.add_api_route("/limits/{limit_id}", served.remove, methods=["DELETE"])
    return routes


class _Limits:
    def __init__(
        self, limits: Limits, directory: Directory, ring: KeyRing, book: LimitBook | None, ops_tenant: str
    ) -> None:
        self._limits = limits
        self._directory = directory
        self._ring = ring
        self._book = book
        self._ops_tenant = ops_tenant

    async def page(self, caller: Caller, wanted: Annotated[LimitsWanted, Query()]) -> Page[LimitOut]:
        """An administrator's tenant's limits; anybody else's are those that count for the key that asks."""
        after = "" if wanted.after is None else str(wanted.after)
        if administers(caller):
            tenant_id = await self._tenant(caller, wanted.installation)
            found = await self._limits.page(tenant_id, after=after, limit=wanted.limit + 1)
        else:
            found = [limit for limit in await self._own(caller) if limit.id > after]
        return page(found, wanted.limit, _shown)

    async def put(self, caller: Admin, body: LimitIn) -> LimitOut:
        """Instead of the one there is of the same scope, owner, model or provider, and measure, if any."""
        tenant_id = await self._tenant(caller, body.installation)
        amount, burst = _amounts(body)
        if body.model is not None and body.provider is not None:
            raise InvalidRequest("a model is of one provider: name one of the two", param="provider")
        kept = await self._limits.put(
            RateLimit(
                id=str(uuid4()),
                tenant_id=tenant_id,
                scope=body.scope,
                owner=await self._owner_id(caller, body),
                model=body.model,
                provider=body.provider,
                measure=body.measure,
                amount=amount,
                burst=burst,
            )
        )
        await self._changed()
        return _shown(kept)

    async def remove(
        self, caller: Admin, limit_id: UUID, *, installation: Annotated[bool, Query()] = False
    ) -> LimitDeleted:
        tenant_id = await self._tenant(caller, installation)
        if not await self._limits.remove(tenant_id, str(limit_id)):
            raise NotFound(f"there is no limit {limit_id}")
        await self._changed()
        return LimitDeleted(id=str(limit_id))

    async def _own(self, caller: Principal) -> Sequence[RateLimit]:
        who = Who(caller.tenant_id, caller.team_id, caller.user_id, caller.key_id)
        found = [limit for limit in await self._limits.every() if _counts_for(limit, who)]
        return sorted(found, key=lambda limit: limit.id)

    async def _tenant(self, caller: Principal, installation: bool) -> str | None:
        if not installation:
            return caller.tenant_id
        if not await self._limits.operates(caller.tenant_id, self._ops_tenant):
            raise PermissionDenied("this is for those who run the installation")
        return None

    async def _owner_id(self, caller: Principal, body: LimitIn) -> str | None:
        """Raises InvalidRequest for an owner that the tenant does not have."""
        owner, tenant_id = body.owner, caller.tenant_id
        match body.scope:
            case "everyone":
                if owner is not None or not body.installation:
                    raise InvalidRequest("what everyone shares is the installation's", param="scope")
                return None
            case "tenant":
                if body.installation:
                    return owner
                found = tenant_id if owner in (None, tenant_id) else None
            case _ if owner is None:
                return None
            case "user":
                found = await self._directory.user_id(tenant_id, owner)
            case "team":
                found = await self._directory.team_id(tenant_id, owner)
            case "key":
                record = await self._ring.find_key(owner)
                found = record.id if record is not None and record.tenant_id == tenant_id else None
        if found is None:
            raise InvalidRequest(f"there is no {body.scope} {owner}", param="owner")
        return found

    async def _changed(self) -> None:
        if self._book is not None:
            await self._book.run_once()


def _counts_for(limit: RateLimit, who: Who) -> bool:
    owner = who.owner(limit.scope)
    return limit.tenant_id in (None, who.tenant_id) and owner is not None and limit.owner in (None, owner)


def _amounts(body: LimitIn) -> tuple[int, int]:
    """The amount and the burst."""
    is_spend = body.measure == "spend"
    foreign = (body.amount, body.burst) if is_spend else (body.amount_usd, body.burst_usd)
    if foreign != (None, None):
        raise InvalidRequest("spend is in USD, and nothing else is", param="measure")
    amount, burst = body.amount, body.burst
    if is_spend:
        amount = None if body.amount_usd is None else pico(body.amount_usd)
        burst = None if body.burst_usd is None else pico(body.burst_usd)
    name = "amount_usd" if is_spend else "amount"
    if amount is None or not 0 < amount <= (MAX_USD * PICO_PER_USD if is_spend else MAX_AMOUNT):
        raise InvalidRequest("how much?", param=name)
    if body.measure == "concurrent" and burst is not None:
        raise InvalidRequest("what is allowed at once is the amount", param="burst")
    burst = amount if burst is None else burst
    if not 0 < burst <= MAX_BURST * amount:
        raise InvalidRequest(f"a burst is at most {MAX_BURST} times the amount", param="burst")
    return amount, burst


def _shown(limit: RateLimit) -> LimitOut:
    is_spend = limit.measure == "spend"
    return LimitOut(
        id=limit.id,
        installation=limit.tenant_id is None,
        scope=limit.scope,
        owner=limit.owner,
        model=limit.model,
        provider=limit.provider,
        measure=limit.measure,
        amount=None if is_spend else limit.amount,
        burst=None if is_spend else limit.burst,
        amount_usd=usd_text(limit.amount) if is_spend else None,
        burst_usd=usd_text(limit.burst) if is_spend else None,
    )
