"""What a call costs, checked against an independent reckoning in fractions of a dollar."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalog import Price, Rates, load_catalog
from models.chat import Usage
from models.errors import UnknownPrice
from models.ledger import ceiling, cost, settled

CATALOG = load_catalog()
COMPONENTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


def _rates(service: str, above: int, *quotes: int) -> Rates:
    values = dict(zip(COMPONENTS, quotes, strict=True))
    return Rates(service=service, above=above, **values)  # type: ignore[arg-type]


PRICE = Price(
    model_id="m",
    start=date(2026, 1, 1),
    source="made up",
    rates=(
        _rates("standard", 0, 1_000, 100, 1_250, 2_000, 5_000),
        _rates("standard", 200, 2_000, 200, 2_500, 4_000, 7_500),
        _rates("batch", 0, 500, 50, 625, 1_000, 2_500),
        _rates("batch", 200, 1_000, 100, 1_250, 2_000, 3_750),
        _rates("priority", 0, 1_800, 180, 2_250, 3_600, 9_000),
    ),
)


@pytest.mark.parametrize(
    ("usage", "options", "total"),
    [
        (Usage(), {}, 0),
        (Usage(input=1), {}, 1_000),
        (Usage(output=1), {}, 5_000),
        (Usage(output=3, reasoning=2), {}, 15_000),
        (Usage(input=1, cache_read=1, cache_write_5m=1, cache_write_1h=1, output=1), {}, 9_350),
        (Usage(input=200), {}, 200_000),
        (Usage(input=201), {}, 402_000),
        (Usage(input=1, cache_read=200), {}, 42_000),
        (Usage(input=201, output=1), {"batch": True}, 204_750),
        (Usage(input=1), {"service_tier": "batch"}, 500),
        (Usage(input=1), {"service_tier": "default"}, 1_000),
        (Usage(input=1), {"service_tier": "PRIORITY"}, 1_800),
    ],
)
def test_tokens_times_rate(usage: Usage, options: dict[str, object], total: int) -> None:
    assert cost(usage, PRICE, **options).total == total  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("usage", "tier"), [(Usage(input=1), "scale"), (Usage(input=1), "flex"), (Usage(input=201), "priority")]
)
def test_an_unlisted_price_is_an_error_before_a_call_and_an_estimate_after_it(
    usage: Usage, tier: str
) -> None:
    with pytest.raises(UnknownPrice):
        cost(usage, PRICE, service_tier=tier)
    with pytest.raises(UnknownPrice):
        ceiling(PRICE, input_tokens=usage.input, max_tokens=1, service_tier=tier)
    charged = settled(usage, PRICE, service_tier=tier)
    assert charged.estimated
    assert charged.total == cost(usage, PRICE).total > 0


def test_an_estimated_usage_makes_an_estimated_cost() -> None:
    assert cost(Usage(input=1, estimated=True), PRICE).estimated
    assert not settled(Usage(input=1), PRICE).estimated


edges = st.sampled_from([0, 1, 100_000, 100_001, 200_000, 200_001, 272_000, 272_001])
tokens = edges | st.integers(min_value=0, max_value=2_000_000)
usages = st.builds(
    Usage,
    input=tokens,
    cache_read=tokens,
    cache_write_5m=tokens,
    cache_write_1h=tokens,
    output=tokens,
    reasoning=tokens,
)
prices = st.sampled_from([m.prices[-1] for m in CATALOG.models.values()])


def _oracle(usage: Usage, price: Price, service: str) -> Fraction | None:
    """Dollars, reckoned from the quotes per million tokens and with its own choice of the band."""
    whole_input = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    bands = sorted({r.above for r in price.rates if r.service == "standard"}, reverse=True)
    band = next(above for above in bands if whole_input > above or above == 0)
    quotes = [r for r in price.rates if (r.service, r.above) == (service, band)]
    if not quotes:
        return None
    per_million = {name: Fraction(getattr(quotes[0], name), 10**6) for name in COMPONENTS}
    return sum(
        (per_million[name] * Fraction(getattr(usage, name), 10**6) for name in COMPONENTS), start=Fraction(0)
    )


@settings(max_examples=2_000, deadline=None)
@given(
    usage=usages,
    price=prices,
    service=st.sampled_from(["standard", "batch", "flex", "priority", "ultrafast"]),
)
def test_every_catalogue_price_agrees_with_the_oracle(usage: Usage, price: Price, service: str) -> None:
    expected = _oracle(usage, price, service)
    if expected is None:
        with pytest.raises(UnknownPrice):
            cost(usage, price, service_tier=service)
        return
    reckoned = cost(usage, price, service_tier=service)
    assert Fraction(reckoned.total, 10**12) == expected
    assert reckoned.total == sum(getattr(reckoned, name) for name in COMPONENTS)
    assert reckoned.total <= ceiling(
        price, input_tokens=usage.total_input, max_tokens=usage.output, service_tier=service
    )
