"""CostOptimizer over what a store sums up."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from models.errors import InvalidRequest, Overloaded
from models.reports import CostOptimizer, Owner, Selection, TimeRange, UsageQuery
from models.reports.doubles import ScriptedReports
from models.reports.rows import CostRecord
from models.reports.time_range import begin_of, following
from models.reports.totals import Cell, Totals
from tests.unit.reports.made_up import CATALOG, EVERY, NOW, USD, outcome, reckon, repeats, shape, turns

DAY = timedelta(days=1)
MONTH = TimeRange(begin_of("month", NOW), following("month", NOW))


class Budgets:
    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[str], int]] = []

    async def check_budget_availability(self, owners: Sequence[str], estimated_pico: int, /) -> str:
        self.asked.append((owners, estimated_pico))
        return "tight"


@pytest.fixture
def store() -> ScriptedReports:
    return ScriptedReports()


@pytest.fixture
def budgets() -> Budgets:
    return Budgets()


@pytest.fixture
def optimizer(store: ScriptedReports, budgets: Budgets) -> CostOptimizer[Sequence[str], str]:
    return CostOptimizer(
        store,
        budgets=budgets,
        catalog=lambda: CATALOG,
        available=lambda: EVERY,
        reckon=reckon,
        clock=lambda: NOW,
    )


def query(**changes: Any) -> UsageQuery:
    fields: dict[str, Any] = {"selection": Selection(tenant_id="acme"), "time_range": MONTH}
    return UsageQuery(**{**fields, **changes})


def cell(days_ago: int, spend: int) -> Cell:
    start = begin_of("day", NOW) - days_ago * DAY
    return Cell(time_range=TimeRange(start, start + DAY), totals=Totals(calls=1, spend_pico=spend))


async def test_a_running_month_is_reported_until_now_with_what_it_will_come_to(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    store.cells = [cell(days, 2 * USD) for days in range(24)]
    store.daily_pico = [2 * USD] * 56
    report = await optimizer.analyse(query(forecast=True))
    assert report.until == TimeRange(MONTH.start, NOW)
    assert report.totals.spend_pico == 48 * USD
    assert report.forecast is not None
    # Half of today and six days are to come.
    assert report.forecast.expected_pico == 48 * USD + 13 * USD
    assert store.asked == [query(forecast=True), Selection(tenant_id="acme")]


@pytest.mark.parametrize(
    "time_range",
    [TimeRange(MONTH.start, NOW), TimeRange(NOW + DAY, NOW + 2 * DAY)],
    ids=["has passed", "has not begun"],
)
async def test_what_does_not_run_has_no_forecast(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports, time_range: TimeRange
) -> None:
    store.daily_pico = [USD] * 56
    report = await optimizer.analyse(query(time_range=time_range, forecast=True))
    assert (report.forecast, len(store.asked)) == (None, 1)


async def test_a_query_for_too_much_does_not_reach_the_store(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    with pytest.raises(InvalidRequest):
        await optimizer.analyse(query(groups=10_000))
    assert store.asked == []


async def test_recommendations_of_all_kinds_come_by_what_they_save(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    store.shaped = [shape("big", 1_000, 15 * USD, unattended=True)]
    store.turned = [turns("big", missed=500_000)]
    store.repeated = [repeats("big")]
    store.ended = [outcome("completed", 20 * USD), outcome("failed", 2 * USD)]
    advice = await optimizer.recommend(Owner("acme"), TimeRange(NOW - 15 * DAY, NOW + 15 * DAY))
    assert [(found.kind, found.savings_pico) for found in advice.found] == [
        ("model_downgrade", 13_600_000_000_000),
        ("service_tier", 7_500_000_000_000),
        ("prompt_cache", 4_500_000_000_000),
        ("duplicate_prompts", 3 * USD),
        ("unfinished_calls", 2 * USD),
    ]
    assert advice.until == TimeRange(NOW - 15 * DAY, NOW)
    assert (advice.spend_pico, advice.price_snapshot) == (22 * USD, "a snapshot")
    assert advice.per_30_days(3 * USD) == 6 * USD
    assert all(found.arithmetic[-1].label == "Saved" for found in advice.found)


async def test_a_range_that_has_not_begun_has_no_advice(
    optimizer: CostOptimizer[Sequence[str], str],
) -> None:
    advice = await optimizer.recommend(Owner("acme"), TimeRange(NOW + DAY, NOW + 2 * DAY))
    assert (advice.found, advice.per_30_days(0)) == ((), 0)


async def test_advice_spans_a_quarter_at_most(optimizer: CostOptimizer[Sequence[str], str]) -> None:
    with pytest.raises(InvalidRequest, match="92 days"):
        await optimizer.recommend(Owner("acme"), TimeRange(NOW - 93 * DAY, NOW))


async def test_a_user_is_advised_on_the_last_30_days_of_their_own(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    store.ended = [outcome("failed", USD)]
    (found,) = await optimizer.get_optimization_recommendations("ann", tenant_id="acme")
    assert found.kind == "unfinished_calls"
    assert set(store.asked) == {Owner("acme", "ann")}


async def test_a_users_analytics_compare_and_forecast(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    store.cells = [cell(1, USD)]
    report = await optimizer.generate_cost_analytics("ann", MONTH, tenant_id="acme")
    assert report.query.selection == Selection(tenant_id="acme", users=("ann",))
    assert (report.query.group_by, report.previous) == (("model",), Totals())


async def test_what_a_request_cost_is_what_it_was_settled_at(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    record = CostRecord(
        request_id="req_1",
        attempt=0,
        user_id="ann",
        conversation_id=None,
        model_id="big",
        tokens_used=9,
        cost_pico=7,
        estimated=False,
        timestamp=NOW,
    )
    store.charged = [record]
    assert await optimizer.track_cost("req_1", owner=Owner("acme", "ann")) == [record]
    assert await optimizer.track_cost("req_2", owner=Owner("acme", "ann")) == []


async def test_budgets_have_their_own_word(
    optimizer: CostOptimizer[Sequence[str], str], budgets: Budgets
) -> None:
    assert await optimizer.check_budget_constraints(("acme", "ann"), 5) == "tight"
    assert budgets.asked == [(("acme", "ann"), 5)]


async def test_a_store_that_is_away_is_said_so(
    optimizer: CostOptimizer[Sequence[str], str], store: ScriptedReports
) -> None:
    store.away = Overloaded("away")
    with pytest.raises(Overloaded):
        await optimizer.analyse(query())
