"""The one place of cost arithmetic. Everything is an integer of pico-USD, so nothing is ever rounded."""

from msgspec import Struct

from models.catalog import Price, Rates
from models.chat import Usage
from models.errors import UnknownPrice
from models.money import Pico

_STANDARD_NAMES = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand"})
"""What providers call the service tier of the plain list price."""


class Cost(Struct, frozen=True, kw_only=True):
    """Pico-USD by what it was paid for; `output` includes reasoning."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    estimated: bool = False
    """The token counts or the rates are not the provider's word."""

    @property
    def total(self) -> Pico:
        return Pico(self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output)


def cost(usage: Usage, price: Price, *, service_tier: str = "standard", batch: bool = False) -> Cost:
    """The exact cost of a call.

    `service_tier` is the provider's word for what it served (from the answer, not the request). The size of
    the whole input, cached tokens included, decides the rates of every token of the call.
    Raises UnknownPrice where the price lists no such tier at this size.
    """
    service = "batch" if batch else _service(service_tier)
    total_input = usage.total_input
    rates = price.rates_for(service, total_input=total_input)
    if rates is None:
        raise UnknownPrice(
            f"{price.model_id} has no {service[:40]!r} price for {total_input} input tokens.",
            model=price.model_id,
        )
    return _cost(usage, rates, estimated=usage.estimated)


def settled(usage: Usage, price: Price, *, service_tier: str = "standard", batch: bool = False) -> Cost:
    """As `cost`, for a call that has been made and has to be charged whatever tier the provider named.

    An unlisted one is charged at the standard rates, as an estimate to be reconciled.
    """
    try:
        return cost(usage, price, service_tier=service_tier, batch=batch)
    except UnknownPrice:
        rates = price.rates_for("standard", total_input=usage.total_input)
        assert rates is not None
        return _cost(usage, rates, estimated=True)


def ceiling(price: Price, *, input_tokens: int, max_tokens: int, service_tier: str = "standard") -> Pico:
    """The most that a call can cost: every input token at its dearest rate. Raises UnknownPrice."""
    service = _service(service_tier)
    rates = price.rates_for(service, total_input=input_tokens)
    if rates is None:
        raise UnknownPrice(f"{price.model_id} has no {service[:40]!r} price.", model=price.model_id)
    dearest = max(rates.input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h)
    return Pico(dearest * input_tokens + rates.output * max_tokens)


def _service(tier: str) -> str:
    name = tier.lower()
    return "standard" if name in _STANDARD_NAMES else name


def _cost(usage: Usage, rates: Rates, *, estimated: bool) -> Cost:
    return Cost(
        input=usage.input * rates.input,
        cache_read=usage.cache_read * rates.cache_read,
        cache_write_5m=usage.cache_write_5m * rates.cache_write_5m,
        cache_write_1h=usage.cache_write_1h * rates.cache_write_1h,
        output=usage.output * rates.output,
        estimated=estimated,
    )
