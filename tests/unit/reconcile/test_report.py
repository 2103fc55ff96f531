"""Pages of a report add up to what was billed, whatever is told twice, late or in parts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reconcile.report import Billed, Report, ReportPage, ReportRow, Tokens

HOUR = datetime(2026, 11, 20, tzinfo=UTC)
NEXT = HOUR + timedelta(hours=1)


def used(model: str, tokens: int, start: datetime = HOUR) -> ReportRow:
    return ReportRow(model=model, start=start, key=(model,), tokens=Tokens(tokens))


def costing(model: str, item: str, pico: int, start: datetime = HOUR) -> ReportRow:
    return ReportRow(model=model, start=start, key=(model, item), cost_pico=pico)


def report(*pages: ReportPage, parts: tuple[str, ...] = ("usage",)) -> Report:
    made = Report(parts)
    for page in pages:
        made.add(page)
    return made


def page(*rows: ReportRow, part: str = "usage", starts: tuple[datetime, ...] = (HOUR,)) -> ReportPage:
    return ReportPage(part=part, starts=starts, rows=rows)


def test_m10_a_row_on_two_pages_counts_once_and_its_later_telling() -> None:
    made = report(page(used("a", 1), used("b", 5)), page(used("a", 3)))
    assert made.billed() == {("a", HOUR): Billed(Tokens(3)), ("b", HOUR): Billed(Tokens(5))}
    assert made.duplicates == 1


def test_m10_lines_of_the_bill_add_up_beside_the_tokens() -> None:
    made = report(page(used("a", 3)), page(costing("a", "in", 7), costing("a", "out", 5), part="costs"))
    assert made.billed() == {("a", HOUR): Billed(Tokens(3), 12)}


def test_m10_the_same_row_of_two_buckets_is_two_rows() -> None:
    assert len(report(page(used("a", 1), used("a", 1, NEXT))).billed()) == 2


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ([page(part="chat")], False),
        ([page(part="chat"), page(part="embeddings")], True),
        ([page(part="chat"), page(part="embeddings", starts=(NEXT,))], False),
        ([page(part="chat"), page(part="costs")], False),
        ([page(part="chat"), page(part="embeddings"), page(part="costs", starts=())], True),
    ],
)
def test_m10_a_bucket_is_told_once_all_reports_of_usage_tell_it(pages: list[ReportPage], told: bool) -> None:
    assert report(*pages, parts=("chat", "embeddings")).tells_of(HOUR) is told


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=20), st.randoms())
def test_m10_however_pages_overlap_the_sum_is_the_same(rows: list[tuple[str, int]], random: object) -> None:
    distinct = list({name: used(name, tokens) for name, tokens in rows}.values())
    once = report(page(*distinct)).billed()
    again = distinct * 2
    random.shuffle(again)  # type: ignore[attr-defined]
    assert report(*(page(row) for row in again)).billed() == once
