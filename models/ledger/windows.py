"""The windows of budgets, as the functions of the same names in the database reckon them.

Days, weeks (from Monday) and months are those of UTC. A rolling window moves in steps, a 24th of it each: the
step that is under way and the 24 before it count, so that never less than the whole period does.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["day", "week", "month", "rolling", "total"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = 24


def window_start(period: Period, rolling_hours: int | None, at: datetime) -> datetime:
    """The start of the account that what is spent at `at` belongs to."""
    at = at.astimezone(UTC)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case "day":
            return midnight
        case "week":
            return midnight - timedelta(days=midnight.weekday())
        case "month":
            return midnight.replace(day=1)
        case "total":
            return EPOCH
        case "rolling":
            return EPOCH + (at - EPOCH) // step(rolling_hours) * step(rolling_hours)


def counts_from(period: Period, rolling_hours: int | None, at: datetime) -> datetime:
    """The start of the oldest account that still counts at `at`."""
    start = window_start(period, rolling_hours, at)
    return start - STEPS * step(rolling_hours) if period == "rolling" else start


def window_end(period: Period, rolling_hours: int | None, at: datetime) -> datetime | None:
    """When what counts at `at` changes: the next window, or the next step of a rolling one."""
    start = window_start(period, rolling_hours, at)
    match period:
        case "day":
            return start + timedelta(days=1)
        case "week":
            return start + timedelta(weeks=1)
        case "month":
            return (start + timedelta(days=31)).replace(day=1)
        case "total":
            return None
        case "rolling":
            return start + step(rolling_hours)


def step(rolling_hours: int | None) -> timedelta:
    assert rolling_hours is not None
    return timedelta(hours=rolling_hours) / STEPS
