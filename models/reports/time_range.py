"""Ranges of time, their buckets (UTC), and how much of either a report may span."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from models.errors import InvalidRequest

Bucket = Literal["hour", "day", "week", "month"]

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_LONGEST: dict[Bucket, timedelta] = {
    "hour": 32 * _DAY,
    "day": 400 * _DAY,
    "week": 3 * 366 * _DAY,
    "month": 10 * 366 * _DAY,
}


class TimeRange(Struct, frozen=True):
    """From `start` to before `end`, both aware."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def until(self, now: datetime) -> "TimeRange":
        """The part that has passed: nothing is known of the rest."""
        return TimeRange(self.start, max(self.start, min(self.end, now)))

    def before(self) -> "TimeRange":
        """The range of equal length that ends where this one starts."""
        return TimeRange(self.start - self.length, self.start)

    def buckets(self, bucket: Bucket) -> "list[TimeRange]":
        """The hours, days, weeks (from Monday) or months that it touches, the first and last cut to it."""
        found = []
        start = self.start
        while start < self.end:
            end = min(following(bucket, start), self.end)
            found.append(TimeRange(start, end))
            start = end
        return found


def checked(time_range: TimeRange, *, longest: timedelta) -> TimeRange:
    """The range in UTC. Raises InvalidRequest where it is empty, out of bounds or longer than `longest`."""
    for name, moment in (("start", time_range.start), ("end", time_range.end)):
        if not EARLIEST <= moment <= LATEST:
            raise InvalidRequest(f"`{name}` is not between {EARLIEST:%Y} and {LATEST:%Y}", param=name)
    if time_range.start >= time_range.end:
        raise InvalidRequest("`start` is not before `end`", param="start")
    if time_range.length > longest:
        raise InvalidRequest(f"a report of this kind spans at most {longest.days} days", param="start")
    return TimeRange(time_range.start.astimezone(UTC), time_range.end.astimezone(UTC))


def longest_with(bucket: Bucket) -> timedelta:
    return _LONGEST[bucket]


def begin_of(bucket: Bucket, moment: datetime) -> datetime:
    """The start of the bucket that `moment` (UTC) lies in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    match bucket:
        case "hour":
            return hour
        case "day":
            return hour.replace(hour=0)
        case "week":
            return hour.replace(hour=0) - moment.weekday() * _DAY
        case "month":
            return hour.replace(day=1, hour=0)


def following(bucket: Bucket, moment: datetime) -> datetime:
    """The start of the bucket after the one that `moment` (UTC) lies in."""
    start = begin_of(bucket, moment)
    match bucket:
        case "hour":
            return start + timedelta(hours=1)
        case "day":
            return start + _DAY
        case "week":
            return start + 7 * _DAY
        case "month":
            return begin_of("month", start + 31 * _DAY)
