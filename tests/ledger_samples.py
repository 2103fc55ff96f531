"""Reservations and outcomes for tests of the ledger."""

from datetime import UTC, datetime
from typing import Any

from models.ledger import Ask, UsageRecord

TENANT = "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a01"
USER = "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a02"
TEAM = "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a03"


def record(request_id: str = "req_1", **changes: Any) -> UsageRecord:
    """A completed call that cost 300 pico-USD."""
    values: dict[str, Any] = {
        "request_id": request_id,
        "attempt": 0,
        "tenant_id": TENANT,
        "user_id": USER,
        "key_id": "key_1",
        "model_id": "gpt-5.4-mini",
        "requested_model": "auto",
        "provider": "openai",
        "endpoint": "/v1/chat/completions",
        "stream": False,
        "status": "completed",
        "input_tokens": 10,
        "cache_read_tokens": 0,
        "cache_write_5m_tokens": 0,
        "cache_write_1h_tokens": 0,
        "output_tokens": 20,
        "reasoning_tokens": 0,
        "service_tier": "default",
        "cost_pico": 300,
        "discount_pico": 0,
        "saved_pico": 0,
        "price_snapshot": "0123456789abcdef",
        "estimated": False,
        "response_time_ms": 12,
        "created_at": datetime.now(UTC),
    }
    return UsageRecord(**values | changes)


def ask(request_id: str = "req_1", **changes: Any) -> Ask:
    """A call that costs 100 to 1,000 pico-USD and usually no more than 500."""
    values: dict[str, Any] = {
        "op_key": f"{request_id}/0",
        "tenant_id": TENANT,
        "user_id": USER,
        "key_id": "key_1",
        "least_pico": 100,
        "usual_pico": 500,
        "most_pico": 1_000,
        "record": record(request_id, status="expired", estimated=True, cost_pico=200),
    }
    return Ask(**values | changes)
