"""When somebody has to hear of an outcome."""

from models.events import EventLog, Json, Severity
from models.money import usd_text
from models.reconcile.assessment import OVERDUE
from models.reconcile.comparison import is_explained_by_estimates
from models.reconcile.record import Outcome, op_key

DRIFT = "reconciliation.drift"
LATE = "reconciliation.overdue"


async def raise_alarm(events: EventLog, outcome: Outcome, before: Outcome | None, version: int) -> None:
    """For a drift that is new or another than before, and for a report that did not come."""
    if outcome.status == "drift" and (before is None or before.drift_pico != outcome.drift_pico):
        await _tell(events, DRIFT, _severity(outcome), outcome, version)
    elif outcome.reason.startswith(OVERDUE) and (before is None or before.reason != outcome.reason):
        await _tell(events, LATE, "warning", outcome, version)


async def _tell(events: EventLog, kind: str, severity: Severity, outcome: Outcome, version: int) -> None:
    subject: dict[str, Json] = {
        "provider": outcome.provider,
        "model_id": outcome.model_id,
        "bucket_start": outcome.start.isoformat(),
        "bucket_end": outcome.end.isoformat(),
        "version": version,
    }
    await events.append(
        kind, severity=severity, subject=subject, payload=_payload(outcome), once=op_key(outcome, version)
    )


def _severity(outcome: Outcome) -> Severity:
    """Estimates drift by their nature; what is none must not."""
    assert outcome.provider_pico is not None
    ledger = outcome.ledger
    expected = is_explained_by_estimates(ledger.pico, ledger.estimated_pico, outcome.provider_pico)
    return "warning" if expected else "critical"


def _payload(outcome: Outcome) -> dict[str, Json]:
    exact = outcome.drift_without_estimates_pico
    return {
        "reason": outcome.reason,
        "ledger_usd": usd_text(outcome.ledger.pico),
        "estimated_usd": usd_text(outcome.ledger.estimated_pico),
        "provider_usd": None if outcome.provider_pico is None else usd_text(outcome.provider_pico),
        "drift_usd": usd_text(outcome.drift_pico),
        "drift_without_estimates_usd": None if exact is None else usd_text(exact),
    }
