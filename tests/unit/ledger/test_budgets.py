"""How a budget stands: exact from integers, window by window, and what it will come to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.errors import InvalidRequest
from models.ledger.budget import Budget, Change, Owners
from models.ledger.budget_memory import InMemoryBudgetStore
from models.ledger.budget_status import Standing, status
from models.ledger.budgets import BudgetManager
from models.ledger.windows import EPOCH, Period, counts_from, window_end, window_start

TENANT = "t"
ANN = Owners(tenant_id=TENANT, team_id="search", user_id="ann", key_id="k")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def standing(**changes: Any) -> Standing:
    """Half of a day with a limit of 1,000."""
    fields: dict[str, Any] = {
        "budget": Budget(
            id="b",
            tenant_id=TENANT,
            scope="tenant",
            owner=TENANT,
            period="day",
            limit_pico=changes.pop("limit_pico", 1_000),
            hard=changes.pop("hard", True),
            created_at=MONDAY,
            ended_at=changes.pop("ended_at", None),
        ),
        "spent_pico": 0,
        "held_pico": 0,
        "window_start": MONDAY,
        "window_end": MONDAY + timedelta(days=1),
        "at": MONDAY + timedelta(hours=12),
    }
    return Standing(**{**fields, **changes})


@pytest.mark.parametrize(
    ("spent", "limit", "percentage", "level"),
    [
        (0, 1_000, "0", "none"),
        (799, 1_000, "79.9", "none"),
        (800, 1_000, "80", "warning"),
        (949, 1_000, "94.9", "warning"),
        (950, 1_000, "95", "critical"),
        (10**30 * 8 - 1, 10**31, "79.99", "none"),
        (10**31 - 1, 10**31, "99.99", "critical"),
        (10**31, 10**31, "100", "critical"),
        (2_500, 1_000, "250", "critical"),
        (0, 0, "100", "critical"),
        (1, 3, "33.33", "none"),
    ],
)
def test_the_share_that_is_spent_is_exact(spent: int, limit: int, percentage: str, level: str) -> None:
    told = status(standing(spent_pico=spent, limit_pico=limit))
    assert told.percentage_used == Decimal(percentage)
    assert told.alert_level == level


@pytest.mark.parametrize(
    ("changes", "estimated", "available", "remaining"),
    [
        ({}, 1_000, True, 1_000),
        ({}, 1_001, False, 1_000),
        ({"spent_pico": 600, "held_pico": 300}, 100, True, 100),
        ({"spent_pico": 600, "held_pico": 300}, 101, False, 100),
        ({"spent_pico": 1_000}, 0, True, 0),
        ({"spent_pico": 1_000}, 1, False, 0),
        ({"spent_pico": 1_200}, 0, False, 0),
        ({"spent_pico": 1_200, "hard": False}, 5, True, 0),
        ({"spent_pico": 1_200, "ended_at": MONDAY}, 5, True, 0),
    ],
)
def test_what_is_left_is_neither_spent_nor_held(
    changes: dict[str, Any], estimated: int, available: bool, remaining: int
) -> None:
    told = status(standing(**changes), estimated_pico=estimated)
    assert (told.available, told.remaining_pico) == (available, remaining)


@pytest.mark.parametrize(
    ("spent", "passed", "overage"),
    [
        (400, timedelta(hours=12), 0),
        (600, timedelta(hours=12), 200),
        (1_100, timedelta(hours=24), 100),
        (501, timedelta(hours=8), 503),
        (1_000, timedelta(hours=1, minutes=12), 19_000),
        (1_000, timedelta(hours=1, minutes=11, seconds=59), None),
        (1_000, timedelta(0), None),
        (334, timedelta(hours=8), 2),
        (10**30, timedelta(hours=12), 2 * 10**30 - 1_000),
    ],
)
def test_a_window_is_taken_to_go_on_as_it_began(spent: int, passed: timedelta, overage: int | None) -> None:
    told = status(standing(spent_pico=spent, at=MONDAY + passed))
    assert told.projected_overage_pico == overage


def test_a_budget_without_an_end_leads_nowhere() -> None:
    told = status(standing(spent_pico=999, window_start=EPOCH, window_end=None))
    assert told.projected_overage_pico is None


@pytest.mark.parametrize(
    ("period", "hours", "at", "start", "since", "end"),
    [
        ("day", None, "2026-11-25T00:00:00", "2026-11-25", "2026-11-25", "2026-11-26"),
        ("day", None, "2026-11-24T23:59:59.999999", "2026-11-24", "2026-11-24", "2026-11-25"),
        ("week", None, "2026-11-29T23:59:59", "2026-11-23", "2026-11-23", "2026-11-30"),
        ("week", None, "2026-11-30T00:00:00", "2026-11-30", "2026-11-30", "2026-12-07"),
        ("month", None, "2028-02-29T12:00:00", "2028-02-01", "2028-02-01", "2028-03-01"),
        ("month", None, "2026-12-31T23:59:59", "2026-12-01", "2026-12-01", "2027-01-01"),
        ("total", None, "2026-12-31T23:59:59", "1970-01-01", "1970-01-01", None),
        (
            "rolling",
            24,
            "2026-11-25T10:59:59",
            "2026-11-25T10:00",
            "2026-11-24T10:00",
            "2026-11-25T11:00",
        ),
        (
            "rolling",
            1,
            "2026-11-25T10:02:30",
            "2026-11-25T10:02:30",
            "2026-11-25T09:02:30",
            "2026-11-25T10:05",
        ),
    ],
)
def test_windows_are_those_of_the_calendar(
    period: Period, hours: int | None, at: str, start: str, since: str, end: str | None
) -> None:
    moment = _utc(at)
    assert window_start(period, hours, moment) == _utc(start)
    assert counts_from(period, hours, moment) == _utc(since)
    assert window_end(period, hours, moment) == (None if end is None else _utc(end))


@given(
    st.sampled_from(["day", "week", "month", "rolling"]),
    st.integers(1, 8_784),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_each_moment_lies_in_one_window(period: Period, hours: int, at: datetime) -> None:
    start, end = window_start(period, hours, at), window_end(period, hours, at)
    assert end is not None
    assert start <= at < end
    assert window_start(period, hours, end) == end
    assert window_start(period, hours, end - timedelta(microseconds=1)) == start


class Clock:
    def __init__(self) -> None:
        self.now = MONDAY

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> InMemoryBudgetStore:
    return InMemoryBudgetStore(clock=clock)


async def make(store: InMemoryBudgetStore, **changes: Any) -> Budget:
    asked: dict[str, Any] = {"scope": "tenant", "owner": TENANT, "period": "day", "limit_pico": 1_000}
    return await BudgetManager(store).create(TENANT, **{**asked, **changes})


async def test_the_tightest_hard_budget_is_told(store: InMemoryBudgetStore) -> None:
    manager = BudgetManager(store)
    assert await manager.check_budget_availability(ANN, 1) is None
    soft = await make(store, limit_pico=0, hard=False)
    assert (await manager.check_budget_availability(ANN, 1)) == replace(
        (await manager.statuses(ANN))[0], budget=soft
    )
    await make(store)
    user = await make(store, scope="user", owner="ann", limit_pico=500)
    await make(store, scope="user", owner="bob", limit_pico=1)
    await make(store, scope="conversation", owner="a chat", limit_pico=2)
    store.spend(ANN, 300)
    tightest = await manager.check_budget_availability(ANN, 200)
    assert tightest is not None
    assert (tightest.budget, tightest.available, tightest.remaining_pico) == (user, True, 200)
    in_chat = await manager.check_budget_availability(replace(ANN, conversation_id="a chat"), 200)
    assert in_chat is not None
    assert (in_chat.budget.scope, in_chat.available) == ("conversation", False)
    foreign = await manager.check_budget_availability(replace(ANN, tenant_id="other"), 200)
    assert foreign is None


async def test_a_rolling_budget_forgets_step_by_step(store: InMemoryBudgetStore, clock: Clock) -> None:
    manager = BudgetManager(store)
    budget = await make(store, period="rolling", rolling_hours=24)
    spent = []
    for hour in range(40):
        clock.now = MONDAY + timedelta(hours=hour, minutes=59)
        if hour in (0, 12):
            store.spend(ANN, 100)
        told = await manager.status(TENANT, budget.id)
        assert told is not None
        spent.append(told.spent_pico)
    assert spent == [100] * 12 + [200] * 13 + [100] * 12 + [0] * 3


async def test_a_report_tells_of_the_windows_and_the_peak(store: InMemoryBudgetStore, clock: Clock) -> None:
    manager = BudgetManager(store)
    budget = await make(store, period="rolling", rolling_hours=24)
    for hour in (0, 5, 30):
        clock.now = MONDAY + timedelta(hours=hour)
        store.spend(ANN, 600)
    report = await manager.generate_budget_report(TENANT, budget.id)
    assert report is not None
    assert [(w.posted_pico, w.counted_pico) for w in report.windows] == [(600, 600), (600, 1_200), (600, 600)]
    assert (report.posted_pico, report.average_pico, report.exhausted) == (1_800, 600, 1)
    assert report.peak == report.windows[1]
    assert await manager.generate_budget_report("other", budget.id) is None


async def test_a_report_of_nothing_has_no_peak(store: InMemoryBudgetStore) -> None:
    budget = await make(store)
    report = await BudgetManager(store).generate_budget_report(TENANT, budget.id, until=MONDAY)
    assert report is not None
    assert (report.windows, report.peak, report.average_pico) == ((), None, 0)


async def test_a_change_leaves_what_it_does_not_name(store: InMemoryBudgetStore) -> None:
    manager = BudgetManager(store)
    budget = await make(store, name="ours")
    assert await manager.change(TENANT, budget.id, Change(limit_pico=0)) == replace(budget, limit_pico=0)
    assert await manager.change("other", budget.id, Change(limit_pico=5)) is None
    assert await manager.end("other", budget.id) is None


@pytest.mark.parametrize(
    "changes",
    [{"period": "rolling"}, {"rolling_hours": 5}, {"owner": "another"}],
)
async def test_a_budget_that_cannot_be_is_refused(
    store: InMemoryBudgetStore, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await make(store, **changes)


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
