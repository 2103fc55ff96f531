"""Reports put together from cells, and as CSV."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from msgspec.structs import replace

from models.errors import InvalidRequest
from models.reports.analytics import change, compose
from models.reports.export import csv_parts, neutral
from models.reports.selection import DIMENSIONS, Dimension, Selection, UsageQuery
from models.reports.time_range import TimeRange
from models.reports.totals import Cell, Totals, add_up

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RANGE = TimeRange(START, START + 10 * DAY)


def query(*group_by: Dimension, **changes: Any) -> UsageQuery:
    fields: dict[str, Any] = {
        "selection": Selection(tenant_id="t"),
        "time_range": RANGE,
        "group_by": group_by,
    }
    return UsageQuery(**{**fields, **changes})


def cell(
    day: int,
    spend: int,
    *key: tuple[Dimension, str | None],
    other: bool = False,
    names: tuple[tuple[Dimension, str], ...] = (),
) -> Cell:
    start = START + day * DAY if day >= 0 else RANGE.before().start
    return Cell(
        time_range=TimeRange(start, start + DAY),
        key=key,
        other=other,
        names=names,
        totals=Totals(calls=2, requests=1, spend_pico=spend, discount_pico=1),
    )


def test_every_figure_is_added_up() -> None:
    ones = Totals(**dict.fromkeys(Totals.__struct_fields__, 1))
    assert add_up([ones, ones]) == Totals(**dict.fromkeys(Totals.__struct_fields__, 2))
    assert add_up([]) == Totals()
    assert ones.list_pico == 2


@pytest.mark.parametrize(
    ("spend", "estimated", "share"), [(0, 0, None), (4, 1, 0.25), (10**30, 0, 0.0), (3, 3, 1.0)]
)
def test_the_estimated_share_is_one_of_the_spend(spend: int, estimated: int, share: float | None) -> None:
    assert Totals(spend_pico=spend, estimated_pico=estimated).estimated_share == share


def test_groups_come_by_spend_with_the_others_last() -> None:
    cells = [
        cell(0, 5, ("model", "a")),
        cell(0, 900, other=True),
        cell(0, 3, ("model", "b")),
        cell(1, 4, ("model", "b")),
    ]
    report = compose(query("model"), cells, until=RANGE)
    assert [(g.key, g.other, g.totals.spend_pico) for g in report.groups] == [
        ((("model", "b"),), False, 7),
        ((("model", "a"),), False, 5),
        ((), True, 900),
    ]
    assert [(c.time_range.start.day, c.totals.spend_pico) for c in report.series] == [
        (1, 3), (1, 5), (1, 900), (2, 4),
    ]  # fmt: skip
    assert report.totals == Totals(calls=8, requests=4, spend_pico=912, discount_pico=4)
    assert (report.previous, report.groups[0].previous) == (None, None)


def test_the_time_before_is_compared_group_by_group() -> None:
    cells = [
        cell(-1, 10, ("team", "x"), names=(("team", "search"),)),
        cell(-1, 3, other=True),
        cell(2, 15, ("team", "x"), names=(("team", "search"),)),
        cell(2, 2, ("team", None)),
    ]
    report = compose(query("team", compare=True), cells, until=RANGE)
    assert report.previous_range == TimeRange(START - 10 * DAY, START)
    assert report.previous is not None
    assert (report.totals.spend_pico, report.previous.spend_pico) == (17, 13)
    assert [
        (g.key, g.names, g.totals.spend_pico, g.previous and g.previous.spend_pico) for g in report.groups
    ] == [
        ((("team", "x"),), (("team", "search"),), 15, 10),
        ((("team", None),), (), 2, 0),
        ((), (), 0, 3),
    ]


def test_without_a_dimension_there_are_no_groups() -> None:
    report = compose(query(), [cell(0, 5)], until=RANGE)
    assert (report.groups, len(report.series)) == ((), 1)


@pytest.mark.parametrize(("now", "before", "part"), [(5, 4, 0.25), (0, 4, -1.0), (5, 0, None), (0, 0, None)])
def test_change_is_a_part_of_what_was(now: int, before: int, part: float | None) -> None:
    assert change(now, before) == part


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"group_by": ("model", "model")}, "group_by"),
        ({"groups": 0}, "groups"),
        ({"groups": 501}, "groups"),
        ({"group_by": ("model",), "groups": 500, "bucket": "hour"}, None),
        ({"group_by": ("user",), "groups": 100, "bucket": "hour"}, "groups"),
        ({"time_range": TimeRange(START, START + 500 * DAY)}, "start"),
        ({"time_range": TimeRange(START, START + 33 * DAY), "bucket": "hour"}, "start"),
        ({"time_range": TimeRange(START, START + 5_000 * DAY), "bucket": "month"}, "start"),
    ],
)
def test_a_query_is_bounded(changes: dict[str, Any], param: str | None) -> None:
    asked = query(**changes)
    if param is None:
        asked = replace(asked, time_range=TimeRange(START, START + DAY))
        assert asked.checked() == asked
        return
    with pytest.raises(InvalidRequest) as caught:
        asked.checked()
    assert caught.value.param == param


def test_dimensions_have_one_order() -> None:
    assert query("user", "model").checked().group_by == ("model", "user")
    assert query(*reversed(DIMENSIONS)).checked().group_by == DIMENSIONS


def lines(report: Any) -> list[list[str]]:
    return list(csv.reader(StringIO("".join(csv_parts(report)), newline="")))


def test_csv_has_a_line_for_each_bucket_and_group_with_exact_amounts() -> None:
    cells = [
        cell(0, 1_234_567, ("model", "a"), ("user", "u1"), names=(("user", "ann, the first"),)),
        cell(0, 10**30, ("model", "b"), ("user", None)),
        cell(0, 7, other=True),
    ]
    report = compose(query("model", "user"), cells, until=RANGE)
    header, *rows = lines(report)
    assert header == [
        "start", "end", "model", "user", "user_name", "calls", "requests", "errors", "cancelled",
        "estimated_calls", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens",
        "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "spend_usd", "list_usd", "discount_usd",
        "saved_usd", "estimated_usd",
    ]  # fmt: skip
    named = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(r["model"], r["user"], r["user_name"], r["spend_usd"]) for r in named] == [
        ("b", "", "", "1000000000000000000"),
        ("a", "u1", "ann, the first", "0.000001234567"),
        ("(other)", "(other)", "", "0.000000000007"),
    ]
    assert named[0]["list_usd"] == "1000000000000000000.000000000001"
    assert named[0]["start"] == "2026-11-01T00:00:00+00:00"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert neutral(text) == f"'{text}"
    report = compose(
        query("conversation", "key"),
        [cell(0, 1, ("key", text), ("conversation", text), names=(("key", text),))],
        until=RANGE,
    )
    _, row = lines(report)
    assert row[2:5] == [f"'{text}"] * 3


def test_what_is_no_formula_stays_as_it_is() -> None:
    assert [neutral(text) for text in ("", "a-b", "1", "gpt-6.1-sol", "'")] == [
        "", "a-b", "1", "gpt-6.1-sol", "'",
    ]  # fmt: skip


def test_amounts_stay_numbers_also_below_nothing() -> None:
    dearer = replace(cell(0, 1), totals=Totals(saved_pico=-5 * 10**11))
    header, row = lines(compose(query(), [dearer], until=RANGE))
    assert dict(zip(header, row, strict=True))["saved_usd"] == "-0.5"


def test_a_long_report_comes_in_parts() -> None:
    report = compose(query(), [cell(0, 1)] * 1_201, until=RANGE)
    parts = list(csv_parts(report))
    assert [part.count("\r\n") for part in parts] == [1, 500, 500, 201]
