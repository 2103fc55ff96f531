"""Recommendations, their arithmetic reckoned by hand from the made-up prices."""

from typing import Any

import pytest
from msgspec.structs import replace

from models.catalog import load_catalog
from models.reports.advice import (
    CostOptimization,
    Line,
    downgrades,
    no_evidence,
    prompt_caching,
    repeated_prompts,
    slower_tiers,
    unfinished,
)
from models.reports.advice.optimization import dollars, percent
from models.reports.rates import Sizes, service_of
from models.reports.rows import SIMPLE, Shape
from tests.unit.reports.made_up import (
    BIG,
    EVERY,
    SMALL,
    TINY,
    USD,
    catalog,
    model,
    outcome,
    rater,
    rates,
    reckon,
    repeats,
    shape,
    turns,
)


def downgraded(shapes: list[Shape], **changes: Any) -> list[CostOptimization]:
    fields: dict[str, Any] = {
        "rater": rater(),
        "available": EVERY,
        "reckon": reckon,
        "simple": SIMPLE,
        "evidence": no_evidence,
    }
    return downgrades(shapes, **{**fields, **changes})


# 4,100 calls of 1,000 new input and 100 output tokens: 1.5 cents each at `big`, 0.14 at `small`.
SIMPLE_CALLS = shape("big", 4_100, 61_500_000_000_000)
OTHER_CALLS = shape("big", 5_900, 500 * USD, simple=False)


def test_simple_calls_are_priced_token_by_token_on_the_cheapest_capable_model() -> None:
    (advice,) = downgraded([SIMPLE_CALLS, OTHER_CALLS])
    assert (advice.kind, advice.models, advice.instead) == ("model_downgrade", ("big",), "small")
    assert advice.summary == (
        "41 % of your flagship calls were classified simple; on small they would have cost $5.74 instead of"
        " $61.50."
    )
    assert advice.savings_pico == 55_760_000_000_000
    assert advice.arithmetic == (
        Line("Calls of flagship models", "10,000"),
        Line("Simple calls of big", "4,100"),
        Line("Their tokens", "4,100,000 new and 0 cached input, 410,000 output"),
        Line("As billed on big", "$61.50"),
        Line("The same tokens on small", "$5.74"),
        Line("Saved", "$55.76"),
    )
    assert (advice.confidence, advice.evidence) == ("low", "none yet")
    assert SIMPLE.text in advice.assumptions


def test_cached_input_is_priced_as_cached_input() -> None:
    cached = shape("big", 1_000, 10 * USD, input_tokens=0, cache_read_tokens=1_000_000, output_tokens=0)
    (advice,) = downgraded([cached])
    assert advice.savings_pico == 10 * USD - 1_000_000 * 100_000


def test_quality_evidence_is_told_and_counts() -> None:
    (advice,) = downgraded([SIMPLE_CALLS], evidence=lambda a, b: f"{b} was as good as {a} in 96 of 100.")
    assert (advice.confidence, advice.evidence) == ("medium", "small was as good as big in 96 of 100.")


def test_each_tier_is_advised_for_itself() -> None:
    mid = shape("mid", 1_000, 3 * USD)
    found = {advice.models: advice for advice in downgraded([SIMPLE_CALLS, mid])}
    assert found.keys() == {("big",), ("mid",)}
    assert found["mid",].summary.startswith("100 % of your mid calls")
    # 1,000 × (1,000 × $1 + 100 × $4) per million
    assert found["mid",].savings_pico == 3 * USD - 1_400_000_000_000


@pytest.mark.parametrize(
    ("shapes", "available"),
    [
        ([OTHER_CALLS], EVERY),
        ([shape("small", 100, 50 * USD)], EVERY),
        ([shape("unheard-of", 100, 50 * USD)], EVERY),
        ([SIMPLE_CALLS], frozenset({"big", "tiny"})),
        ([shape("big", 100, 50 * USD, service_tier="priority")], EVERY),
        ([shape("big", 1, 15_000_000)], EVERY),
        ([shape("big", 100, 50 * USD, size=9)], EVERY),
        ([replace(SIMPLE_CALLS, list_pico=1 * USD)], EVERY),
    ],
    ids=[
        "nothing simple",
        "nothing smaller",
        "a model that is gone",
        "only one less capable can be called",
        "another service tier",
        "less than a cent",
        "larger than any model takes",
        "already cheaper",
    ],
)
def test_nothing_is_advised(shapes: list[Shape], available: frozenset[str]) -> None:
    assert downgraded(shapes, available=available) == []


@pytest.mark.parametrize(
    "unfit",
    [
        replace(SMALL, auto=False),
        replace(SMALL, retires=rater().when.date()),
        replace(SMALL, kind="embedding"),
        replace(SMALL, capabilities=TINY.capabilities),
        replace(SMALL, prices=(replace(SMALL.prices[0], start=rater().when.date().replace(year=2027)),)),
    ],
    ids=["not for the router", "retired", "no chat model", "less capable", "no price yet"],
)
def test_what_cannot_replace_is_not_advised(unfit: Any) -> None:
    assert downgraded([SIMPLE_CALLS], rater=rater(catalog(BIG, unfit))) == []


def test_a_size_is_priced_by_its_own_band() -> None:
    # Edges: 50,000 (small takes no more), 100,000 (mid is dearer above), 200,000 (nobody takes more).
    assert rater().sizes == Sizes((50_000, 100_000, 200_000))
    tokens = {"input_tokens": 10_000_000, "output_tokens": 0}
    below = shape("big", 100, 100 * USD, size=1, **tokens)
    above = shape("big", 50, 100 * USD, size=2, **tokens)
    (advice,) = downgraded([below, above])
    assert advice.instead == "mid"
    assert advice.savings_pico == 200 * USD - 10_000_000 * 2_000_000 - 10_000_000 * 4_000_000


@pytest.mark.parametrize(
    ("total_input", "size"), [(0, 0), (50_000, 0), (50_001, 1), (100_000, 1), (100_001, 2), (200_001, 3)]
)
def test_classes_of_size(total_input: int, size: int) -> None:
    sizes = rater().sizes
    assert sizes.class_of(total_input) == size
    assert sizes.least(size) <= total_input
    most = sizes.most(size)
    assert most is None or total_input <= most


@pytest.mark.parametrize(
    ("tier", "service"),
    [("", "standard"), ("default", "standard"), ("FLEX", "flex"), ("batch", "batch"), ("scale", "standard")],
)
def test_an_unlisted_service_tier_is_the_standard_one(tier: str, service: str) -> None:
    assert service_of(tier) == service


def test_background_calls_are_priced_at_the_slower_tiers_of_their_models() -> None:
    shapes = [
        shape("big", 1_000, 15 * USD, unattended=True, simple=False),
        shape("big", 1_000, 15 * USD, unattended=False),
        shape("mid", 1_000, 3 * USD, unattended=True),
        shape("mid", 1_000, 3 * USD, unattended=True, service_tier="batch"),
        shape("small", 1_000, 3 * USD, unattended=True),
    ]
    flex, batch = slower_tiers(shapes, rater=rater(), reckon=reckon)
    assert (flex.instead, flex.models, flex.savings_pico) == ("flex", ("big",), 7_500_000_000_000)
    assert (batch.instead, batch.models, batch.savings_pico) == ("batch", ("mid",), 1_500_000_000_000)
    assert flex.summary == (
        "Nobody seems to wait for 1,000 calls; at the flex tier they would have cost $7.50 instead of $15.00."
    )
    assert [line.value for line in flex.arithmetic] == ["1,000", "$15.00", "$7.50", "$7.50"]


def test_a_size_without_a_slower_price_stays_where_it_is() -> None:
    large = shape("mid", 10, 9 * USD, unattended=True, size=2)
    assert slower_tiers([large], rater=rater(), reckon=reckon) == []


def test_what_is_sent_again_is_priced_as_read_less_what_storing_costs() -> None:
    (advice,) = prompt_caching(
        [turns("big", missed=600_000, unwritten=200_000, read=300_000)], rater=rater(), reckon=reckon
    )
    # 600,000 × ($10 - $1) and 200,000 × ($12.50 - $10) per million.
    assert advice.savings_pico == 5_400_000_000_000 - 500_000_000_000
    assert [line.value for line in advice.arithmetic] == [
        "100", "1,000,000", "300,000", "600,000", "$5.40", "$0.50", "$4.90",
    ]  # fmt: skip
    assert advice.summary.startswith(
        "openai's cache served 30 % of the input of 100 follow-ups; 60 % more had probably been sent minutes"
        " before, and would have cost $4.90 less from the cache."
    )
    assert advice.confidence == "medium"


def test_without_any_hit_the_cache_is_a_guess_and_each_provider_is_told_its_own_way() -> None:
    claude = model("claude", "mid", rates("standard", 0, 2, 10), host="anthropic")
    (advice,) = prompt_caching([turns("claude", missed=600_000)], rater=rater(catalog(claude)), reckon=reckon)
    assert advice.confidence == "low"
    assert "cache_control" in advice.summary


@pytest.mark.parametrize(
    "row",
    [
        turns("big"),
        turns("tiny", missed=900_000),
        turns("gone", missed=900_000),
        turns("big", missed=1_000),
        turns("big", missed=100_000, unwritten=900_000),
    ],
    ids=["nothing missed", "a model without a cache", "a model that is gone", "less than a cent", "dearer"],
)
def test_no_cache_is_advised(row: Any) -> None:
    assert prompt_caching([row], rater=rater(), reckon=reckon) == []


def test_repeated_requests_cost_once() -> None:
    (advice,) = repeated_prompts([repeats("mid", avoidable_pico=USD), repeats("big")])
    assert advice.savings_pico == 4 * USD
    assert advice.models == ("big", "mid")
    assert advice.summary == (
        "4 requests came more than once within a day, 10 times in all for $10.00; a cache of answers would"
        " have saved $4.00."
    )
    assert advice.arithmetic[0] == Line("Requests sent more than once to big", "2, 5 times")
    assert advice.arithmetic[3] == Line("Such as", "req_1, req_2")
    assert advice.arithmetic[-1] == Line("Saved", "$4.00")
    assert repeated_prompts([]) == repeated_prompts([repeats("big", avoidable_pico=10**9)]) == []


def test_what_was_paid_for_no_answer_is_told_by_how_it_ended() -> None:
    (advice,) = unfinished(
        [
            outcome("completed", 90 * USD),
            outcome("cancelled", 6 * USD),
            outcome("failed", 3 * USD, error_code="provider_timeout", model_id="mid", calls=1),
            outcome("expired", 1 * USD, estimated_pico=USD, calls=2),
            outcome("failed", 0, error_code="provider_rate_limited"),
        ]
    )
    assert advice.savings_pico == 10 * USD
    assert advice.summary.startswith(
        "10 % of what you spent, $10.00, went to 13 calls that failed or were cancelled. Set `max_tokens`"
    )
    assert advice.arithmetic == (
        Line("Spent in all", "$100.00"),
        Line("On calls cancelled by the caller", "$6.00, 10"),
        Line("On calls failed", "$3.00, 1"),
        Line("On calls never told how they ended", "$1.00, 2"),
        Line("big, cancelled", "$6.00, 10"),
        Line("mid, provider_timeout", "$3.00, 1"),
        Line("big, expired", "$1.00, 2"),
        Line("Of this an estimate", "$1.00"),
        Line("Saved", "$10.00"),
    )
    assert unfinished([outcome("completed", USD), outcome("failed", 10**9)]) == []


@pytest.mark.parametrize(
    ("pico", "text"),
    [
        (0, "$0.00"),
        (96_400_000_000_000, "$96.40"),
        (1_234_567_890_000_000_000, "$1,234,567.89"),
        (10_000_000_000, "$0.01"),
        (4_249_000_000, "$0.0042"),
        (1, "$0.000000000001"),
        (-2 * USD, "-$2.00"),
    ],
)
def test_dollars_for_people(pico: int, text: str) -> None:
    assert dollars(pico) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 5, "0 %"),
        (1, 0, "0 %"),
        (41, 100, "41 %"),
        (1, 10_000, "0.1 %"),
        (5, 1_000, "0.5 %"),
        (999, 1_000, "99 %"),
        (7, 7, "100 %"),
    ],
)
def test_shares_for_people(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_the_bundled_catalogue_has_a_smaller_model_for_each_of_the_routers_dear_ones() -> None:
    bundled = load_catalog()
    dear = [m.id for m in bundled.models.values() if m.auto and m.kind == "chat" and m.tier != "small"]
    shapes = [shape(model_id, 1_000, 1_000 * USD) for model_id in dear]
    found = downgraded(shapes, rater=rater(bundled), available=frozenset(bundled.models))
    assert sorted(model_id for advice in found for model_id in advice.models) == sorted(dear)
    assert {bundled.models[advice.instead].tier for advice in found} <= {"small", "mid"}
