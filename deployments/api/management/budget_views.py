"""Budgets as clients send and see them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StrictBool

from deployments.api.management.fields import In, Limit, Name, Out, Text, Usd
from models.ledger.budget import Budget, Scope
from models.ledger.budget_status import AlertLevel, BudgetReport, BudgetStatus, Window
from models.ledger.windows import Period
from models.money import usd_text


class BudgetIn(In):
    scope: Scope
    owner: Name | None = Field(
        None, description="Of a user or team a name or id, of a key its id; not needed for the tenant."
    )
    period: Period = Field(description="Days, weeks and months are those of UTC.")
    rolling_hours: int | None = Field(None, ge=1, le=8_784)
    limit_usd: Usd
    hard: StrictBool = Field(True, description="A soft budget stops nobody and only raises alerts.")
    name: Text = ""


class BudgetChange(In):
    limit_usd: Usd | None = None
    hard: StrictBool | None = None
    name: Text | None = None


class BudgetsWanted(In):
    scope: Scope | None = None
    owner: Name | None = None
    ended: bool = Field(False, description="Ended ones, too.")
    after: UUID | None = None
    limit: Limit = 100


class StatusWanted(In):
    estimated_usd: Usd = Field("0", description="`available` is whether a call of this cost is let in.")


class ReportWanted(In):
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: Limit = 100


class BudgetOut(Out):
    object: Literal["budget"] = "budget"
    id: str
    scope: Scope
    owner: str
    period: Period
    rolling_hours: int | None
    limit_usd: str
    hard: bool
    name: str
    created_at: datetime
    ended_at: datetime | None


class StatusOut(Out):
    object: Literal["budget_status"] = "budget_status"
    budget: BudgetOut
    available: bool
    remaining_usd: str
    percentage_used: float
    alert_level: AlertLevel
    projected_overage_usd: str | None
    spent_usd: str
    held_usd: str
    limit_usd: str
    window_start: datetime
    window_end: datetime | None


class WindowOut(Out):
    window_start: datetime
    window_end: datetime | None
    limit_usd: str
    opening_usd: str
    posted_usd: str
    held_usd: str
    counted_usd: str


class ReportOut(Out):
    object: Literal["budget_report"] = "budget_report"
    status: StatusOut
    windows: list[WindowOut]
    posted_usd: str
    average_usd: str
    peak: WindowOut | None
    exhausted: int


def show_budget(budget: Budget) -> BudgetOut:
    return BudgetOut(
        id=budget.id,
        scope=budget.scope,
        owner=budget.owner,
        period=budget.period,
        rolling_hours=budget.rolling_hours,
        limit_usd=usd_text(budget.limit_pico),
        hard=budget.hard,
        name=budget.name,
        created_at=budget.created_at,
        ended_at=budget.ended_at,
    )


def show_status(status: BudgetStatus) -> StatusOut:
    overage = status.projected_overage_pico
    return StatusOut(
        budget=show_budget(status.budget),
        available=status.available,
        remaining_usd=usd_text(status.remaining_pico),
        percentage_used=float(status.percentage_used),
        alert_level=status.alert_level,
        projected_overage_usd=None if overage is None else usd_text(overage),
        spent_usd=usd_text(status.spent_pico),
        held_usd=usd_text(status.held_pico),
        limit_usd=usd_text(status.limit_pico),
        window_start=status.window_start,
        window_end=status.window_end,
    )


def _show_window(window: Window) -> WindowOut:
    return WindowOut(
        window_start=window.window_start,
        window_end=window.window_end,
        limit_usd=usd_text(window.limit_pico),
        opening_usd=usd_text(window.opening_pico),
        posted_usd=usd_text(window.posted_pico),
        held_usd=usd_text(window.held_pico),
        counted_usd=usd_text(window.counted_pico),
    )


def show_report(found: BudgetReport) -> ReportOut:
    return ReportOut(
        status=show_status(found.status),
        windows=[_show_window(window) for window in found.windows],
        posted_usd=usd_text(found.posted_pico),
        average_usd=usd_text(found.average_pico),
        peak=None if found.peak is None else _show_window(found.peak),
        exhausted=found.exhausted,
    )
