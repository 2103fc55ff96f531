"""A call's cost with everything that led to it: list price, volume discount, and the lines of the bill."""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct

from models.catalog import Catalog, Price
from models.chat import Usage
from models.errors import UnknownPrice
from models.ledger.discounts import VolumeTier, discounted, tier_for
from models.ledger.pricing import Line, bill
from models.money import Pico


class Adjustments(Struct, frozen=True):
    total_discount: Pico
    tiers: tuple[VolumeTier, ...]
    """The volume tiers that were applied."""


class CostCalculation(Struct, frozen=True, kw_only=True):
    """Amounts are pico-USD; the breakdown adds up to `base_cost`."""

    base_cost: Pico
    adjustments: Adjustments
    final_cost: Pico
    breakdown: tuple[Line, ...]
    price: Price
    snapshot: str
    """The catalogue that the price is from."""


class CostCalculationEngine:
    """Prices calls by one catalogue. It keeps nothing: a new catalogue takes a new engine."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def calculate_cost(
        self,
        usage: Usage,
        *,
        model_id: str,
        when: date | datetime,
        service_tier: str = "standard",
        batch: bool = False,
        volume_pico: int = 0,
        tiers: Sequence[VolumeTier] = (),
    ) -> CostCalculation:
        """`volume_pico` is what the customer spent before, in the window that `tiers` go by.

        Raises UnknownPrice for whatever the catalogue has no price for.
        """
        model = self._catalog.models.get(model_id)
        if model is None:
            raise UnknownPrice(f"{model_id[:100]!r} has no price.", model=model_id[:100])
        price = self._catalog.price_at(model, when)
        lines = bill(usage, price, service_tier=service_tier, batch=batch)
        base = Pico(sum(line.cost_pico for line in lines))
        tier = tier_for(volume_pico, tiers)
        final, discount = discounted(base, tier.basis_points if tier else 0)
        return CostCalculation(
            base_cost=base,
            adjustments=Adjustments(discount, (tier,) if tier else ()),
            final_cost=final,
            breakdown=lines,
            price=price,
            snapshot=self._catalog.snapshot,
        )
