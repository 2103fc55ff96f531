"""What was paid for answers that nobody got whole."""

from collections.abc import Sequence

from models.reports.advice.optimization import (
    LEAST_SAVING_PICO,
    CostOptimization,
    Line,
    count,
    dollars,
    percent,
    saved,
)
from models.reports.rows import Outcome

_MOST_LINES = 8
_SAID = {
    "cancelled": "cancelled by the caller",
    "failed": "failed",
    "expired": "never told how they ended",
}
_ADVICE = {
    "cancelled": "Set `max_tokens` to what is read, and stream, so that callers can stop early.",
    "failed": "Look into the commonest error first.",
    "expired": "Callers or replicas go away during calls: see that both are stopped gracefully.",
}


def unfinished(outcomes: Sequence[Outcome]) -> list[CostOptimization]:
    """At most one, over all models."""
    rows = [row for row in outcomes if row.status != "completed" and row.spend_pico]
    wasted = sum(row.spend_pico for row in rows)
    if wasted < LEAST_SAVING_PICO:
        return []
    spend = sum(row.spend_pico for row in outcomes)
    by_status = {status: [row for row in rows if row.status == status] for status in _SAID}
    dearest = max(_SAID, key=lambda status: _spend(by_status[status]))
    return [
        CostOptimization(
            kind="unfinished_calls",
            title="Spend less on answers that nobody gets",
            summary=(
                f"{percent(wasted, spend)} of what you spent, {dollars(wasted)}, went to"
                f" {count(_calls(rows), 'call')} that failed or were cancelled. {_ADVICE[dearest]}"
            ),
            arithmetic=(
                Line("Spent in all", dollars(spend)),
                *(
                    Line(f"On calls {_SAID[status]}", f"{dollars(_spend(found))}, {_calls(found):,}")
                    for status, found in by_status.items()
                    if found
                ),
                *_dearest_lines(rows),
                Line("Of this an estimate", dollars(sum(row.estimated_pico for row in rows))),
                saved(wasted),
            ),
            savings_pico=wasted,
            confidence="low",
            assumptions=(
                "An upper bound: some failures cannot be avoided, some cancelled answers were not in vain.",
            ),
            models=tuple(sorted({row.model_id for row in rows})),
        )
    ]


def _dearest_lines(rows: Sequence[Outcome]) -> list[Line]:
    dearest = sorted(rows, key=lambda row: (-row.spend_pico, row.model_id, row.status, row.error_code))
    return [
        Line(f"{row.model_id}, {row.error_code or row.status}", f"{dollars(row.spend_pico)}, {row.calls:,}")
        for row in dearest[:_MOST_LINES]
    ]


def _spend(rows: Sequence[Outcome]) -> int:
    return sum(row.spend_pico for row in rows)


def _calls(rows: Sequence[Outcome]) -> int:
    return sum(row.calls for row in rows)
