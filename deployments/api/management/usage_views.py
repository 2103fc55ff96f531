"""Usage reports as clients ask for and see them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from deployments.api.management.fields import In, Name, Out
from models.ledger.usage import Status
from models.money import usd_text
from models.reports.analytics import CostAnalytics, Group, change
from models.reports.forecast import CONFIDENCE, Forecast
from models.reports.selection import MAX_GROUPS, Dimension
from models.reports.time_range import EARLIEST, LATEST, Bucket
from models.reports.totals import Cell, GroupKey, Totals

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _split(values: Any) -> Any:
    """`a,b` is as good as naming it twice."""
    if not isinstance(values, list):
        return values
    return [part for value in values for part in (value.split(",") if isinstance(value, str) else [value])]


def _midnight(moment: Any) -> Any:
    """A day alone is its beginning in UTC."""
    return f"{moment}T00:00:00Z" if isinstance(moment, str) and _DAY.fullmatch(moment) else moment


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[
    AwareDatetime, BeforeValidator(_midnight), Field(ge=EARLIEST, le=LATEST), AfterValidator(_utc)
]
Values = Annotated[list[Name], Field(max_length=100)]


class UsageWanted(In):
    start: Moment | None = Field(None, description="By default the beginning of the (last) month, UTC.")
    end: Moment | None = Field(None, description="Exclusive; by default the end of the month.")
    bucket: Bucket = "day"
    group_by: Annotated[list[Dimension], BeforeValidator(_split)] = Field(
        [], max_length=9, description="Repeated, or with commas."
    )
    groups: int = Field(
        20, ge=1, le=MAX_GROUPS, description="Groups beyond so many, by spend, are summed up as one other."
    )
    model: Values = Field([])
    provider: Values = Field([])
    user: Values = Field([], description="Names or ids.")
    team: Values = Field([], description="Names or ids.")
    key: Values = Field([])
    task: Values = Field([])
    conversation: Values = Field([])
    status: list[Status] = Field([], max_length=4)
    endpoint: Values = Field([])
    compare: bool = Field(False, description="With the time of equal length before.")
    forecast: bool = Field(False, description="What the time will come to, if it has not passed.")
    format: Literal["json", "csv"] = "json"


class TokensOut(Out):
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    """A part of output."""


class TotalsOut(Out):
    spend_usd: str
    list_price_usd: str
    discount_usd: str
    cache_saved_usd: str
    estimated_usd: str
    estimated_share: float | None
    """Of the spend."""
    requests: int
    """First attempts."""
    calls: int
    """All attempts at providers."""
    errors: int
    cancelled: int
    estimated_calls: int
    tokens: TokensOut


class ChangeOut(Out):
    """By what part it grew: 0.25 is a quarter more; null where there was nothing before."""

    spend: float | None
    requests: float | None
    calls: float | None


class PreviousOut(Out):
    start: datetime
    end: datetime
    totals: TotalsOut
    change: ChangeOut


class GroupOut(Out):
    key: dict[Dimension, str | None]
    names: dict[str, str]
    other: bool
    """All groups that were too many to be listed."""
    totals: TotalsOut
    previous: TotalsOut | None
    change: ChangeOut | None


class CellOut(Out):
    start: datetime
    end: datetime
    key: dict[Dimension, str | None]
    other: bool
    totals: TotalsOut


class ForecastOut(Out):
    """What the whole of the time will have cost."""

    expected_usd: str
    low_usd: str
    high_usd: str
    confidence: float
    spent_usd: str
    history_days: int
    method: str


class UsageOut(Out):
    object: Literal["usage_report"] = "usage_report"
    start: datetime
    end: datetime
    until: datetime
    """The end of what has passed of it."""
    bucket: Bucket
    group_by: list[Dimension]
    totals: TotalsOut
    previous: PreviousOut | None
    groups: list[GroupOut]
    series: list[CellOut]
    """Buckets and groups without calls are left out."""
    forecast: ForecastOut | None


def show_usage(report: CostAnalytics) -> UsageOut:
    return UsageOut(
        start=report.query.time_range.start,
        end=report.query.time_range.end,
        until=report.until.end,
        bucket=report.query.bucket,
        group_by=list(report.query.group_by),
        totals=_totals(report.totals),
        previous=_previous(report),
        groups=[_group(group) for group in report.groups],
        series=[_cell(cell) for cell in report.series],
        forecast=None if report.forecast is None else _forecast(report.forecast),
    )


def _totals(totals: Totals) -> TotalsOut:
    return TotalsOut(
        spend_usd=usd_text(totals.spend_pico),
        list_price_usd=usd_text(totals.list_pico),
        discount_usd=usd_text(totals.discount_pico),
        cache_saved_usd=usd_text(totals.saved_pico),
        estimated_usd=usd_text(totals.estimated_pico),
        estimated_share=totals.estimated_share,
        requests=totals.requests,
        calls=totals.calls,
        errors=totals.errors,
        cancelled=totals.cancelled,
        estimated_calls=totals.estimated_calls,
        tokens=TokensOut(
            input=totals.input_tokens,
            cache_read=totals.cache_read_tokens,
            cache_write_5m=totals.cache_write_5m_tokens,
            cache_write_1h=totals.cache_write_1h_tokens,
            output=totals.output_tokens,
            reasoning=totals.reasoning_tokens,
        ),
    )


def _change(now: Totals, before: Totals) -> ChangeOut:
    return ChangeOut(
        spend=change(now.spend_pico, before.spend_pico),
        requests=change(now.requests, before.requests),
        calls=change(now.calls, before.calls),
    )


def _previous(report: CostAnalytics) -> PreviousOut | None:
    if report.previous is None or report.previous_range is None:
        return None
    return PreviousOut(
        start=report.previous_range.start,
        end=report.previous_range.end,
        totals=_totals(report.previous),
        change=_change(report.totals, report.previous),
    )


def _group(group: Group) -> GroupOut:
    return GroupOut(
        key=_key(group.key),
        names=dict(group.names),
        other=group.other,
        totals=_totals(group.totals),
        previous=None if group.previous is None else _totals(group.previous),
        change=None if group.previous is None else _change(group.totals, group.previous),
    )


def _cell(cell: Cell) -> CellOut:
    return CellOut(
        start=cell.time_range.start,
        end=cell.time_range.end,
        key=_key(cell.key),
        other=cell.other,
        totals=_totals(cell.totals),
    )


def _key(key: GroupKey) -> dict[Dimension, str | None]:
    return dict(key)


def _forecast(found: Forecast) -> ForecastOut:
    return ForecastOut(
        expected_usd=usd_text(found.expected_pico),
        low_usd=usd_text(found.low_pico),
        high_usd=usd_text(found.high_pico),
        confidence=CONFIDENCE,
        spent_usd=usd_text(found.spent_pico),
        history_days=found.history_days,
        method=found.method,
    )
