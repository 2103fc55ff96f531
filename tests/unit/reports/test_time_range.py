"""Ranges and their buckets."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from models.errors import InvalidRequest
from models.reports.time_range import Bucket, TimeRange, begin_of, checked, following


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("bucket", "moment", "begin", "next_"),
    [
        ("hour", utc(2026, 11, 24, 12, 30, 5, 7), utc(2026, 11, 24, 12), utc(2026, 11, 24, 13)),
        ("hour", utc(2026, 12, 31, 23), utc(2026, 12, 31, 23), utc(2027, 1, 1)),
        ("day", utc(2026, 11, 24, 12, 30), utc(2026, 11, 24), utc(2026, 11, 25)),
        ("week", utc(2026, 11, 24, 12), utc(2026, 11, 23), utc(2026, 11, 30)),
        ("week", utc(2026, 11, 23), utc(2026, 11, 23), utc(2026, 11, 30)),
        ("week", utc(2027, 1, 3, 23), utc(2026, 12, 28), utc(2027, 1, 4)),
        ("month", utc(2026, 2, 28, 12), utc(2026, 2, 1), utc(2026, 3, 1)),
        ("month", utc(2026, 12, 31), utc(2026, 12, 1), utc(2027, 1, 1)),
    ],
)
def test_buckets_begin_with_the_clock_and_the_calendar(
    bucket: Bucket, moment: datetime, begin: datetime, next_: datetime
) -> None:
    assert begin_of(bucket, moment) == begin
    assert following(bucket, moment) == next_


def test_the_first_and_last_bucket_are_cut_to_the_range() -> None:
    assert TimeRange(utc(2026, 1, 15, 6), utc(2026, 3, 2)).buckets("month") == [
        TimeRange(utc(2026, 1, 15, 6), utc(2026, 2, 1)),
        TimeRange(utc(2026, 2, 1), utc(2026, 3, 1)),
        TimeRange(utc(2026, 3, 1), utc(2026, 3, 2)),
    ]


def test_the_range_before_is_as_long_and_ends_where_this_one_starts() -> None:
    assert TimeRange(utc(2026, 11, 11), utc(2026, 11, 21)).before() == TimeRange(
        utc(2026, 11, 1), utc(2026, 11, 11)
    )


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (utc(2026, 12, 5), utc(2026, 12, 1)),
        (utc(2026, 11, 24), utc(2026, 11, 24)),
        (utc(2026, 10, 1), utc(2026, 11, 1)),
    ],
)
def test_nothing_is_known_of_what_has_not_passed(now: datetime, end: datetime) -> None:
    november = TimeRange(utc(2026, 11, 1), utc(2026, 12, 1))
    assert november.until(now) == TimeRange(november.start, end)


def test_a_range_of_any_zone_is_taken_in_utc() -> None:
    zone = timezone(timedelta(hours=5))
    given = TimeRange(datetime(2026, 11, 1, tzinfo=zone), datetime(2026, 11, 2, tzinfo=zone))
    found = checked(given, longest=timedelta(days=1))
    assert (found.start, found.start.tzinfo) == (utc(2026, 10, 31, 19), UTC)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (utc(2026, 11, 2), utc(2026, 11, 2), "before"),
        (utc(2026, 11, 3), utc(2026, 11, 2), "before"),
        (utc(2026, 11, 1), utc(2026, 11, 12), "at most 10 days"),
        (utc(1, 1, 1), utc(2026, 11, 2), "between"),
        (utc(2026, 1, 1), utc(9999, 12, 31), "between"),
    ],
)
def test_ranges_that_are_refused(start: datetime, end: datetime, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        checked(TimeRange(start, end), longest=timedelta(days=10))
