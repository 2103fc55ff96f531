"""What calls would cost elsewhere: service tiers by name, sizes within which a price is linear."""

from collections.abc import Callable
from datetime import datetime
from typing import cast, get_args

from msgspec import Struct

from models.catalog import Catalog, Model, Rates, Service
from models.chat import Usage
from models.errors import UnknownPrice

Reckon = Callable[[Usage, Rates], int]
"""Pico-USD of tokens at rates: the ledger's arithmetic. It is linear, so that sums of calls can be priced."""

_SERVICES = frozenset(get_args(Service))


def service_of(tier: str) -> Service:
    """What a call was charged as: a tier that no price list knows is charged at the standard rates."""
    name = tier.lower()
    return cast(Service, name) if name in _SERVICES else "standard"


class Sizes(Struct, frozen=True):
    """Classes of whole inputs: the first up to `edges[0]` tokens, the last above `edges[-1]`.

    The edges are all sizes at which some price changes or some model takes no more, so that the calls of one
    class cost any model the same per token.
    """

    edges: tuple[int, ...]

    def least(self, size: int) -> int:
        return self.edges[size - 1] + 1 if size else 0

    def most(self, size: int) -> int | None:
        return self.edges[size] if size < len(self.edges) else None

    def class_of(self, total_input: int) -> int:
        return sum(edge < total_input for edge in self.edges)


def sizes_of(catalog: Catalog) -> Sizes:
    edges = {model.max_input for model in catalog.models.values()}
    edges |= {
        rates.above
        for model in catalog.models.values()
        for price in model.prices
        for rates in price.rates
        if rates.above
    }
    return Sizes(tuple(sorted(edges)))


class Rater(Struct, frozen=True):
    """Rates by the catalogue as of a moment."""

    catalog: Catalog
    when: datetime
    sizes: Sizes

    def rates(self, model: Model, service: Service, size: int) -> Rates | None:
        """None where the model takes no such input, or lists no such price."""
        most = self.sizes.most(size)
        if most is None or most > model.max_input:
            return None
        try:
            price = self.catalog.price_at(model, self.when)
        except UnknownPrice:
            return None
        return price.rates_for(service, total_input=self.sizes.least(size))
