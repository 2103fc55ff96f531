"""Events in words for people."""

from collections.abc import Mapping

from models.events import Event, Json


def headline(event: Event) -> str:
    """One line of printable characters."""
    return _line(_headline(event))


def details(event: Event) -> str:
    """What is known of it, a line each."""
    facts: Mapping[str, Json] = {
        "event": event.kind,
        "severity": event.severity,
        "at": event.at.isoformat(timespec="seconds"),
        **event.subject,
        **event.payload,
        "event_id": event.id,
    }
    return "".join(f"{name}: {_line(value)}\n" for name, value in facts.items() if value not in ("", None))


def _line(value: Json) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def _headline(event: Event) -> str:
    payload = event.payload
    if event.kind.startswith("budget."):
        budget = f"Budget {payload.get('budget_name') or event.subject.get('budget_id')}"
        if "threshold" in payload:
            return f"{budget} has reached {payload['threshold']} % of {payload.get('limit_usd')} USD"
        overage = payload.get("projected_overage_usd")
        return f"{budget} is on its way to {overage} USD beyond its {payload.get('limit_usd')} USD"
    match event.kind:
        case "ledger.overrun":
            return f"A call cost {payload.get('overrun_usd')} USD more than was held for it"
        case "alert.undelivered":
            return f"An alert could not be delivered: {payload.get('error')}"
        case "alert.test":
            return "This is a test: alerts arrive here"
        case _:
            return f"{event.severity}: {event.kind}"
