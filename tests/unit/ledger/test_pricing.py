"""What a call costs, by tables."""

from datetime import date

import pytest

from models.catalog import Price, Rates, ToolPrice
from models.chat import Usage
from models.errors import UnknownPrice
from models.ledger.pricing import (
    INPUT_KINDS,
    OUTPUT_KINDS,
    Cost,
    Line,
    ToolUses,
    bill,
    ceiling,
    cost,
    saved_by_caches,
    settled,
)

PLAIN = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


def _rates(service: str, above: int, *quotes: int, **special: int) -> Rates:
    plain = dict(zip(PLAIN, quotes, strict=True))
    rates = {str(kind): plain["input"] for kind in INPUT_KINDS}
    rates |= {str(kind): plain["output"] for kind in OUTPUT_KINDS}
    return Rates(service=service, above=above, **(rates | plain | special))  # type: ignore[arg-type]


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
SENSES = Price(
    model_id="senses",
    start=date(2026, 1, 1),
    source="made up",
    rates=(
        _rates(
            *("standard", 0, 10, 1, 12, 20, 50),
            audio_input=30,
            image_input=15,
            cache_read_audio=3,
            reasoning=70,
            audio_output=200,
            image_output=400,
        ),
    ),
    tools=(
        ToolPrice(tool="web_search", pico=1_000, per="use"),
        ToolPrice(tool="maps", pico=2_500, per="call"),
        ToolPrice(tool="web_fetch", pico=0, per="use"),
    ),
)


@pytest.mark.parametrize(
    ("usage", "options", "total"),
    [
        (Usage(), {}, 0),
        (Usage(input=1), {}, 1_000),
        (Usage(output=1), {}, 5_000),
        (Usage(output=3, reasoning=2), {}, 15_000),
        (Usage(output=3, reasoning=9), {}, 15_000),
        (Usage(input=1, cache_read=1, cache_write_5m=1, cache_write_1h=1, output=1), {}, 9_350),
        (Usage(input=200), {}, 200_000),
        (Usage(input=201), {}, 402_000),
        (Usage(input=1, cache_read=200), {}, 42_000),
        (Usage(input=1, audio_input=100, image_input=100), {}, 402_000),
        (Usage(input=201, output=1), {"batch": True}, 204_750),
        (Usage(input=1), {"service_tier": "priority", "batch": True}, 500),
        (Usage(input=1), {"service_tier": "batch"}, 500),
        (Usage(input=1), {"service_tier": "default"}, 1_000),
        (Usage(input=1), {"service_tier": "unspecified"}, 1_000),
        (Usage(input=1), {"service_tier": "PRIORITY"}, 1_800),
    ],
)
def test_tokens_times_rate(usage: Usage, options: dict[str, object], total: int) -> None:
    assert cost(usage, PRICE, **options).total == total  # type: ignore[arg-type]


EVERYTHING = Usage(
    input=1,
    cache_read=2,
    cache_write_5m=3,
    cache_write_1h=4,
    output=7,
    reasoning=5,
    audio_input=6,
    image_input=8,
    cache_read_audio=9,
    audio_output=10,
    image_output=11,
    tool_uses=(("web_search", 3), ("maps", 4), ("web_fetch", 5)),
)


def test_each_kind_of_token_and_each_tool_is_paid_at_its_own_rate() -> None:
    assert cost(EVERYTHING, SENSES) == Cost(
        input=10,
        audio_input=180,
        image_input=120,
        cache_read=2,
        cache_read_audio=27,
        cache_write_5m=36,
        cache_write_1h=80,
        output=100,
        reasoning=350,
        audio_output=2_000,
        image_output=4_400,
        tools=3_000 + 2_500,
    )


def test_a_bill_has_a_line_for_whatever_was_used_and_adds_up() -> None:
    lines = bill(EVERYTHING, SENSES)
    assert sum(line.cost_pico for line in lines) == cost(EVERYTHING, SENSES).total
    assert all(line.cost_pico == line.quantity * line.rate_pico for line in lines)
    assert lines[-3:] == (
        Line("tools", 3, 1_000, 3_000, "web_search"),
        Line("tools", 1, 2_500, 2_500, "maps"),
        Line("tools", 5, 0, 0, "web_fetch"),
    )
    assert bill(Usage(input=2, output=3, reasoning=3), SENSES) == (
        Line("input", 2, 10, 20),
        Line("reasoning", 3, 70, 210),
    )


@pytest.mark.parametrize(
    ("usage", "tier"), [(Usage(input=1), "scale"), (Usage(input=1), "flex"), (Usage(input=201), "priority")]
)
def test_an_unlisted_price_is_an_error_before_a_call_and_an_estimate_after_it(
    usage: Usage, tier: str
) -> None:
    with pytest.raises(UnknownPrice):
        cost(usage, PRICE, service_tier=tier)
    with pytest.raises(UnknownPrice):
        bill(usage, PRICE, service_tier=tier)
    with pytest.raises(UnknownPrice):
        ceiling(PRICE, input_tokens=usage.input, max_tokens=1, service_tier=tier)
    charged = settled(usage, PRICE, service_tier=tier)
    assert charged.estimated
    assert charged.total == cost(usage, PRICE).total > 0


def test_an_unlisted_tool_is_an_error_before_a_call_and_the_dearest_listed_one_after_it() -> None:
    usage = Usage(input=1, tool_uses=(("web_search", 2), ("code_execution", 3)))
    for refused in (cost, bill):
        with pytest.raises(UnknownPrice, match="code_execution"):
            refused(usage, SENSES)
    with pytest.raises(UnknownPrice, match="code_execution"):
        ceiling(SENSES, input_tokens=1, max_tokens=1, tool_uses=usage.tool_uses)
    charged = settled(usage, SENSES)
    assert (charged.tools, charged.input, charged.estimated) == (2_000 + 2_500, 10, True)
    toolless = settled(usage, PRICE)
    assert (toolless.total, toolless.estimated) == (1_000, True)


def test_an_unlisted_tool_does_not_take_away_the_tier_that_is_listed() -> None:
    usage = Usage(input=1, tool_uses=(("maps", 1),))
    assert settled(usage, PRICE, service_tier="priority") == Cost(input=1_800, estimated=True)


def test_an_estimated_usage_makes_an_estimated_cost() -> None:
    assert cost(Usage(input=1, estimated=True), PRICE).estimated
    assert not settled(Usage(input=1), PRICE).estimated


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"input_tokens": 100, "max_tokens": 10}, 100 * 2_000 + 10 * 5_000),
        ({"input_tokens": 201, "max_tokens": 10}, 201 * 4_000 + 10 * 7_500),
        ({"input_tokens": 100, "max_tokens": 10, "input_kinds": ["input", "cache_read"]}, 150_000),
        ({"input_tokens": 100, "max_tokens": 10, "batch": True}, 100 * 1_000 + 10 * 2_500),
        ({"input_tokens": 0, "max_tokens": 0}, 0),
    ],
)
def test_a_ceiling_takes_every_token_at_its_dearest(options: dict[str, object], most: int) -> None:
    assert ceiling(PRICE, **options) == most  # type: ignore[arg-type]


def test_a_ceiling_covers_the_smaller_calls_that_cost_more() -> None:
    cheap_in_bulk = Price(
        model_id="bulk",
        start=date(2026, 1, 1),
        source="made up",
        rates=(_rates("standard", 0, 9, 9, 9, 9, 90), _rates("standard", 200, 1, 1, 1, 1, 10)),
    )
    most = ceiling(cheap_in_bulk, input_tokens=201, max_tokens=5)
    assert most >= cost(Usage(input=200, output=5), cheap_in_bulk).total


def test_a_ceiling_counts_the_senses_and_the_tools() -> None:
    uses: ToolUses = (("web_search", 5), ("maps", 9))
    most = ceiling(SENSES, input_tokens=10, max_tokens=10, tool_uses=uses)
    assert most == 10 * 30 + 10 * 400 + 5 * 1_000 + 2_500
    spoken = ceiling(SENSES, input_tokens=0, max_tokens=10, output_kinds=("output", "reasoning"))
    assert spoken == 10 * 70


@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (Usage(input=5), 0),
        (Usage(cache_read=100), 90_000),
        (Usage(cache_write_5m=100), -25_000),
        (Usage(cache_write_1h=10, cache_read=150, input=50), 150 * 1_800 - 10 * 2_000),
    ],
)
def test_what_caches_saved(usage: Usage, saved: int) -> None:
    assert saved_by_caches(usage, PRICE) == saved


def test_a_tier_without_a_price_saved_what_it_would_have_at_the_standard_one() -> None:
    assert saved_by_caches(Usage(cache_read=100), PRICE, service_tier="scale") == 90_000
    assert saved_by_caches(Usage(cache_read_audio=100), SENSES, service_tier="scale") == 2_700
