"""What a budget has reached, and what is said of it. Nothing here does I/O."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from models.events import Json, Severity
from models.money import usd_text

THRESHOLDS: Mapping[int, Severity] = {50: "info", 80: "warning", 95: "critical", 100: "critical"}
"""Percent of a limit. At 100 what is held for calls under way counts too, below it only what is spent."""

REARM_POINTS = 5
"""A rolling budget is told of again when it comes back from so many points below a threshold: its window has
no end, and usage that hovers at a threshold would else be told of at each step."""

REFUSED_FROM_PERCENT = 95
"""A budget that turns a call away counts as used up from here on: the last bit is often less than any call
costs. Below, it was the call that was large."""

SETTLED_PERCENT = 5
"""Of a window: before, one call would be blown up to more than twenty of its kind."""


class Reached(Struct, frozen=True, kw_only=True):
    """A threshold or a projected overage that nobody has been told of in this window."""

    budget_id: str
    tenant_id: str
    scope: str
    owner: str
    name: str
    period: str
    hard: bool
    window_start: str
    """As PostgreSQL writes it; `-infinity` of a rolling budget."""
    limit_pico: int
    posted_pico: int
    pending_pico: int
    kind: str
    percent: int | None
    """None of a projected overage."""
    overage_pico: int | None
    """Beyond the limit at the end of the window, if spending goes on as before."""


class Alert(Struct, frozen=True, kw_only=True):
    """One event to raise, once for its budget, window, limit and kind."""

    budget_id: str
    tenant_id: str
    window_start: str
    limit_pico: int
    kind: str
    severity: Severity
    subject: Mapping[str, Json]
    payload: Mapping[str, Json]


def alert_of(reached: Reached) -> Alert:
    return Alert(
        budget_id=reached.budget_id,
        tenant_id=reached.tenant_id,
        window_start=reached.window_start,
        limit_pico=reached.limit_pico,
        kind=reached.kind,
        severity="warning" if reached.percent is None else THRESHOLDS[reached.percent],
        subject={"budget_id": reached.budget_id, "scope": reached.scope, "owner": reached.owner},
        payload=_payload(reached),
    )


def _payload(reached: Reached) -> Mapping[str, Json]:
    payload: dict[str, Json] = {
        "budget_name": reached.name,
        "period": reached.period,
        "hard": reached.hard,
        "limit_usd": usd_text(reached.limit_pico),
        "spent_usd": usd_text(reached.posted_pico),
        "held_usd": usd_text(reached.pending_pico),
        "percentage_used": _percentage(reached.posted_pico, reached.limit_pico),
    }
    if reached.period != "rolling":
        payload["window_start"] = reached.window_start
    if reached.percent is not None:
        payload["threshold"] = reached.percent
    if reached.overage_pico is not None:
        payload["projected_overage_usd"] = usd_text(reached.overage_pico)
    return payload


def _percentage(spent_pico: int, limit_pico: int) -> str:
    """Two digits, rounded down: never 100 before all is spent."""
    return str(Decimal(spent_pico * 10_000 // limit_pico).scaleb(-2))
