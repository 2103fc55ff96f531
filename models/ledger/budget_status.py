"""How a budget stands: what of it is gone, and what it will come to."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from models.ledger.budget import Budget

AlertLevel = Literal["none", "warning", "critical"]

WARNING_PERCENT = 80
CRITICAL_PERCENT = 95

_PROJECTED_AFTER_PERCENT = 5
"""Of a window: before, a single call would be blown up to more than twenty of its kind."""


class Standing(Struct, frozen=True, kw_only=True):
    """A budget and its window as the store's clock has it."""

    budget: Budget
    spent_pico: int
    held_pico: int
    """For calls under way."""
    window_start: datetime
    window_end: datetime | None
    at: datetime


class BudgetStatus(Struct, frozen=True, kw_only=True):
    budget: Budget
    available: bool
    """Whether a call of the estimated cost is let in; a soft budget lets all in."""
    remaining_pico: int
    """What can still be held; 0 also where more than the limit is gone."""
    percentage_used: Decimal
    """Of the limit, by what is spent (not what is held); two digits, rounded down."""
    alert_level: AlertLevel
    projected_overage_pico: int | None
    """What will be spent beyond the limit by the end of the window; None where it cannot be said."""
    spent_pico: int
    held_pico: int
    limit_pico: int
    window_start: datetime
    window_end: datetime | None


class Window(Struct, frozen=True, kw_only=True):
    """One account of a budget."""

    window_start: datetime
    window_end: datetime | None
    limit_pico: int
    opening_pico: int
    """The part of `posted_pico` that was spent before the budget was made."""
    posted_pico: int
    """Spent in this window; of a rolling budget, in this step."""
    held_pico: int
    counted_pico: int
    """What counted against the limit: of a rolling budget the steps before, too."""


class BudgetReport(Struct, frozen=True, kw_only=True):
    status: BudgetStatus
    windows: tuple[Window, ...]
    """Newest first."""
    posted_pico: int
    average_pico: int
    """Per window with an account, rounded down."""
    peak: Window | None
    """The one in which most counted."""
    exhausted: int
    """How many windows used up their limit."""


def status(standing: Standing, *, estimated_pico: int = 0) -> BudgetStatus:
    budget, spent = standing.budget, standing.spent_pico
    room = budget.limit_pico - spent - standing.held_pico
    stops = budget.hard and budget.ended_at is None
    return BudgetStatus(
        budget=budget,
        available=not stops or room >= estimated_pico,
        remaining_pico=max(0, room),
        percentage_used=percentage(spent, budget.limit_pico),
        alert_level=alert_level(spent, budget.limit_pico),
        projected_overage_pico=projected_overage(standing),
        spent_pico=spent,
        held_pico=standing.held_pico,
        limit_pico=budget.limit_pico,
        window_start=standing.window_start,
        window_end=standing.window_end,
    )


def percentage(spent_pico: int, limit_pico: int) -> Decimal:
    """Never 100 before all is spent; 100 where nothing may be."""
    hundredths = spent_pico * 10_000 // limit_pico if limit_pico else 10_000
    return Decimal(hundredths).scaleb(-2)


def alert_level(spent_pico: int, limit_pico: int) -> AlertLevel:
    if spent_pico * 100 >= limit_pico * CRITICAL_PERCENT:
        return "critical"
    return "warning" if spent_pico * 100 >= limit_pico * WARNING_PERCENT else "none"


def projected_overage(standing: Standing) -> int | None:
    """What goes beyond the limit if the rest of the window is as dear as what has passed of it.

    Not for a budget without an end, nor before a 20th of the window has passed.
    """
    if standing.window_end is None:
        return None
    whole = (standing.window_end - standing.window_start) // timedelta(microseconds=1)
    passed = (standing.at - standing.window_start) // timedelta(microseconds=1)
    if passed * 100 < whole * _PROJECTED_AFTER_PERCENT:
        return None
    projected = -(-standing.spent_pico * whole // passed)
    return max(0, projected - standing.budget.limit_pico)


def report(now: BudgetStatus, windows: Sequence[Window]) -> BudgetReport:
    posted = sum(window.posted_pico for window in windows)
    return BudgetReport(
        status=now,
        windows=tuple(windows),
        posted_pico=posted,
        average_pico=posted // len(windows) if windows else 0,
        peak=max(windows, key=lambda window: window.counted_pico, default=None),
        exhausted=sum(window.counted_pico >= window.limit_pico for window in windows),
    )
