"""Volume discounts, and the whole calculation of a call's cost."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import load_catalog
from models.chat import Usage
from models.errors import UnknownPrice
from models.ledger.discounts import VolumeTier, discounted, tier_for
from models.ledger.engine import CostCalculationEngine

TIERS = (VolumeTier(1_000, 250), VolumeTier(0, 0), VolumeTier(50_000, 1_000))
NOW = datetime(2026, 11, 24, tzinfo=UTC)
CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("volume", "tiers", "basis_points"),
    [
        (0, (), None),
        (10**30, (), None),
        (0, TIERS, 0),
        (999, TIERS, 0),
        (1_000, TIERS, 250),
        (49_999, TIERS, 250),
        (50_000, TIERS, 1_000),
        (10**30, TIERS, 1_000),
        (999, TIERS[:1], None),
    ],
)
def test_the_highest_tier_that_was_reached_holds(
    volume: int, tiers: tuple[VolumeTier, ...], basis_points: int | None
) -> None:
    tier = tier_for(volume, tiers)
    assert (tier and tier.basis_points) == basis_points


@pytest.mark.parametrize(
    ("base", "basis_points", "expected"),
    [
        (0, 10_000, (0, 0)),
        (1, 9_999, (1, 0)),
        (1, 10_000, (0, 1)),
        (9_999, 1, (9_999, 0)),
        (10_000, 1, (9_999, 1)),
        (123_456_789, 333, (119_345_678, 4_111_111)),
        (10**30, 0, (10**30, 0)),
    ],
)
def test_a_discount_is_rounded_down(base: int, basis_points: int, expected: tuple[int, int]) -> None:
    assert discounted(base, basis_points) == expected


@given(
    base=st.integers(min_value=0, max_value=10**38), basis_points=st.integers(min_value=0, max_value=10_000)
)
def test_nothing_is_lost_between_price_and_discount(base: int, basis_points: int) -> None:
    final, discount = discounted(base, basis_points)
    assert final + discount == base
    assert 0 <= discount <= base
    assert 0 <= base * basis_points - discount * 10_000 < 10_000


@pytest.mark.parametrize("wrong", [(-1, 0), (0, -1), (0, 10_001)])
def test_what_is_no_tier(wrong: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a volume tier"):
        VolumeTier(*wrong)


def test_a_calculation_shows_its_work() -> None:
    usage = Usage(input=1_000, cache_read=500, output=300, reasoning=100, tool_uses=(("web_search", 2),))
    made = CostCalculationEngine(CATALOG).calculate_cost(
        usage, model_id="claude-sonnet-5-5", when=NOW, volume_pico=1_500, tiers=TIERS
    )
    assert [(line.component, line.tool, line.quantity, line.cost_pico) for line in made.breakdown] == [
        ("input", None, 1_000, 2_000_000_000),
        ("cache_read", None, 500, 50_000_000),
        ("output", None, 200, 2_000_000_000),
        ("reasoning", None, 100, 1_000_000_000),
        ("tools", "web_search", 2, 20_000_000_000),
    ]
    assert made.base_cost == 25_050_000_000
    assert made.adjustments.total_discount == 626_250_000
    assert made.adjustments.tiers == (TIERS[0],)
    assert made.final_cost == made.base_cost - made.adjustments.total_discount
    assert made.snapshot == CATALOG.snapshot
    assert made.price.model_id == "claude-sonnet-5-5"


def test_without_tiers_the_list_price_is_final() -> None:
    made = CostCalculationEngine(CATALOG).calculate_cost(
        Usage(input=7), model_id="text-embedding-3-small", when=NOW, volume_pico=10**18
    )
    assert (made.base_cost, made.final_cost, made.adjustments.tiers) == (140_000, 140_000, ())


@pytest.mark.parametrize(
    ("model_id", "when", "tier"),
    [
        ("no-such-model", NOW, "standard"),
        ("gpt-6-luna", date(2020, 1, 1), "standard"),
        ("gpt-6-luna", NOW, "scale"),
        ("gpt-6-luna", NOW, "ultrafast"),
    ],
)
def test_what_has_no_price_is_refused(model_id: str, when: date, tier: str) -> None:
    engine = CostCalculationEngine(CATALOG)
    with pytest.raises(UnknownPrice):
        engine.calculate_cost(Usage(input=1), model_id=model_id, when=when, service_tier=tier)
