"""Forecasts on series whose continuation is known."""

from datetime import UTC, datetime
from random import Random

import pytest

from models.reports.forecast import HISTORY_DAYS, forecast, project, shares_to_come
from models.reports.time_range import TimeRange

WEEK = [10, 10, 12, 10, 9, 3, 1]
NOVEMBER = TimeRange(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize("days", [7, 13, 14, 30, 56])
def test_what_was_always_the_same_stays_so(days: int) -> None:
    projection = project([100] * days, [1.0] * 10)
    assert projection is not None
    assert (projection.low, projection.expected, projection.high) == pytest.approx((1_000, 1_000, 1_000))


@pytest.mark.parametrize("begun", range(7))
@pytest.mark.parametrize("ahead", [1, 3, 7, 17])
def test_a_week_goes_on_with_the_right_day(begun: int, ahead: int) -> None:
    series = (WEEK * 10)[begun : begun + 42 + ahead]
    projection = project(series[:42], [1.0] * ahead)
    assert projection is not None
    assert projection.expected == pytest.approx(sum(series[42:]))
    assert projection.high - projection.low == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("slope", [3, -2])
def test_growth_is_damped_and_the_interval_holds_its_end_and_its_going_on(slope: int) -> None:
    series = [200 + slope * day for day in range(70)]
    projection = project(series[:56], [1.0] * 14)
    assert projection is not None
    stopped, undamped = 14 * series[55], sum(series[56:])
    assert min(stopped, undamped) < projection.expected < max(stopped, undamped)
    assert projection.low == pytest.approx(min(stopped, undamped))
    assert projection.high == pytest.approx(max(stopped, undamped))


def test_the_interval_holds_four_in_five_of_what_comes() -> None:
    held = 0
    for seed in range(300):
        random = Random(seed)  # noqa: S311 -- repeatable noise
        series = [max(0, round(10_000 * WEEK[day % 7] + random.gauss(0, 15_000))) for day in range(66)]
        projection = project(series[:56], [1.0] * 10)
        assert projection is not None
        held += projection.low <= sum(series[56:]) <= projection.high
    assert 0.75 <= held / 300 <= 0.92


def test_one_dear_day_makes_no_trend() -> None:
    series = [100] * 56
    series[50] = 5_000
    projection = project(series, [1.0] * 28)
    assert projection is not None
    assert projection.expected == pytest.approx(28 * 100 + 4 * 4_900 / 8)


@pytest.mark.parametrize(
    ("days", "ahead"), [(0, 5), (6, 1), (7, 0), (7, 15), (14, 29)], ids=lambda number: str(number)
)
def test_of_too_little_nothing_is_said(days: int, ahead: int) -> None:
    assert project([100] * days, [1.0] * ahead) is None


def test_nothing_is_ever_less_than_nothing() -> None:
    projection = project([70 - 5 * day for day in range(14)], [1.0] * 20)
    assert projection is not None
    assert (projection.low, projection.expected >= 0) == (0, True)


def test_the_rest_of_today_and_the_days_to_the_end_are_to_come() -> None:
    assert shares_to_come(NOVEMBER, NOON) == [0.5, *[1.0] * 6]
    short = TimeRange(NOON.replace(hour=6), NOON.replace(hour=18))
    assert shares_to_come(short, NOON) == [0.25]


@pytest.mark.parametrize("now", [NOVEMBER.end, NOVEMBER.start.replace(month=10)])
def test_what_does_not_run_has_nothing_to_come(now: datetime) -> None:
    assert shares_to_come(NOVEMBER, now) == []


def test_a_running_month_comes_to_what_is_spent_and_what_is_to_come() -> None:
    found = forecast([1_000] * HISTORY_DAYS, spent_pico=23_500, time_range=NOVEMBER, now=NOON)
    assert found is not None
    assert (found.expected_pico, found.low_pico, found.high_pico) == (30_000, 30_000, 30_000)
    assert (found.spent_pico, found.history_days) == (23_500, HISTORY_DAYS)


def test_the_days_before_the_first_use_are_no_history() -> None:
    found = forecast([0] * 46 + [1_000] * 10, spent_pico=0, time_range=NOVEMBER, now=NOON)
    assert found is not None
    assert (found.expected_pico, found.history_days, found.method) == (6_500, 10, "mean of the days")
    assert forecast([0] * 50 + [9] * 6, spent_pico=0, time_range=NOVEMBER, now=NOON) is None
    assert forecast([0] * 56, spent_pico=0, time_range=NOVEMBER, now=NOON) is None
