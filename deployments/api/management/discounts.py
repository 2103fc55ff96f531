"""`/v1/discounts`: volume tiers of the tenant and of its users, and what the running month has earned."""

from typing import Annotated, Literal, Protocol

from fastapi import APIRouter
from pydantic import Field

from deployments.api.management.access import Admin
from deployments.api.management.fields import In, Name, Out, Usd
from models.errors import InvalidRequest
from models.ledger.discount_store import Discount
from models.ledger.discounts import BASIS_POINTS, VolumeTier
from models.money import pico, usd_text


class Discounts(Protocol):
    async def set_tiers(self, tenant_id: str, user: str | None, tiers: list[VolumeTier]) -> None: ...

    async def of_tenant(self, tenant_id: str) -> list[Discount]: ...


class TierFields(In):
    from_usd: Annotated[Usd, Field(description="Spent in the running month (UTC), at list prices.")]
    basis_points: Annotated[int, Field(ge=0, le=BASIS_POINTS, description="Off the list price, in 1/10,000.")]


class TiersIn(In):
    user: Name | None = Field(None, description="A name or an id; without it the whole tenant's.")
    tiers: Annotated[list[TierFields], Field(max_length=32, description="None of them: no discount.")]


class DiscountOut(Out):
    object: Literal["discount"] = "discount"
    user: str | None
    user_id: str | None
    tiers: list[TierFields]
    volume_usd: str
    basis_points: int
    """In force now; a key takes up a change within seconds."""


class DiscountList(Out):
    object: Literal["list"] = "list"
    data: list[DiscountOut]


def router(discounts: Discounts) -> APIRouter:
    routes = APIRouter(prefix="/v1/discounts", tags=["discounts"])

    @routes.get("")
    async def get(admin: Admin) -> DiscountList:
        """All tiers of the tenant."""
        return DiscountList(data=[_shown(found) for found in await discounts.of_tenant(admin.tenant_id)])

    @routes.put("")
    async def put(admin: Admin, body: TiersIn) -> DiscountList:
        """The tiers of the tenant, or of a user, instead of those there were."""
        tiers = [VolumeTier(pico(tier.from_usd), tier.basis_points) for tier in body.tiers]
        if len({tier.from_pico for tier in tiers}) < len(tiers):
            raise InvalidRequest("two tiers begin at the same amount", param="tiers")
        await discounts.set_tiers(admin.tenant_id, body.user, tiers)
        return await get(admin)

    return routes


def _shown(found: Discount) -> DiscountOut:
    return DiscountOut(
        user=found.user_name,
        user_id=found.user_id,
        tiers=[
            TierFields(from_usd=usd_text(tier.from_pico), basis_points=tier.basis_points)
            for tier in found.tiers
        ],
        volume_usd=usd_text(found.volume_pico),
        basis_points=found.basis_points,
    )
