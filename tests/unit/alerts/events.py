"""An event to tell of."""

from datetime import UTC, datetime

from models.events import Event

EVENT = Event(
    id="3f0f8a34-52a4-4c7e-8e3c-3f1f5a0c9d11",
    kind="budget.threshold_80",
    severity="warning",
    tenant_id="8d3d2c3e-0f7b-4f0a-9d65-3a7a3f1f2b10",
    subject={"budget_id": "b", "scope": "user", "owner": "u"},
    payload={"budget_name": "research", "limit_usd": "10", "spent_usd": "8.5", "threshold": 80},
    at=datetime(2026, 11, 25, 12, 30, tzinfo=UTC),
)
