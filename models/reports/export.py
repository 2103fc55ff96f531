"""A usage report as CSV (RFC 4180): one line for each group and bucket, amounts in exact decimal USD."""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

from models.money import usd_text
from models.reports.analytics import CostAnalytics
from models.reports.selection import Dimension
from models.reports.totals import Cell

LINES_AT_A_TIME = 500

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
_NAMED: frozenset[Dimension] = frozenset({"user", "team", "key"})
_COUNTS = (
    "calls",
    "requests",
    "errors",
    "cancelled",
    "estimated_calls",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_AMOUNTS = ("spend", "list", "discount", "saved", "estimated")
OTHER = "(other)"


def csv_parts(report: CostAnalytics) -> Iterator[str]:
    """The header, then the lines, some hundreds at a time."""
    group_by = report.query.group_by
    yield _lines([_header(group_by)])
    for start in range(0, len(report.series), LINES_AT_A_TIME):
        yield _lines(_line(cell, group_by) for cell in report.series[start : start + LINES_AT_A_TIME])


def neutral(text: str) -> str:
    """As text for a spreadsheet, too: what would be a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _header(group_by: Iterable[Dimension]) -> list[str]:
    columns = ["start", "end"]
    for dimension in group_by:
        columns += [dimension, f"{dimension}_name"] if dimension in _NAMED else [dimension]
    return [*columns, *_COUNTS, *(f"{amount}_usd" for amount in _AMOUNTS)]


def _line(cell: Cell, group_by: Iterable[Dimension]) -> list[str]:
    values, names = dict(cell.key), dict(cell.names)
    cells = [cell.time_range.start.isoformat(), cell.time_range.end.isoformat()]
    for dimension in group_by:
        cells.append(OTHER if cell.other else neutral(values[dimension] or ""))
        if dimension in _NAMED:
            cells.append(neutral(names.get(dimension, "")))
    cells += (str(getattr(cell.totals, name)) for name in _COUNTS)
    cells += (usd_text(getattr(cell.totals, f"{amount}_pico")) for amount in _AMOUNTS)
    return cells


def _lines(rows: Iterable[list[str]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
