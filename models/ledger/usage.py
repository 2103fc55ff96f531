"""The record of every attempt at a provider."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

Status = Literal["completed", "failed", "cancelled", "expired"]
"""Expired: nobody ever told how it ended; until somebody does, it is charged what it probably has cost."""


class UsageRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt. `(request_id, attempt)` names it: telling it again changes nothing.

    Texts hold no NUL; tenant, team and user ids are UUIDs: PostgreSQL takes nothing else.
    """

    request_id: str
    attempt: int
    tenant_id: str
    team_id: str | None = None
    user_id: str | None = None
    key_id: str | None = None
    conversation_id: str | None = None
    model_id: str
    requested_model: str
    """As the caller wrote it: an alias, or `auto` and its kin."""
    provider: str
    endpoint: str
    """The client's way in, such as `/v1/chat/completions`."""
    task: str | None = None
    stream: bool
    status: Status
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    service_tier: str
    cost_pico: int
    """What is charged: the list price less the discount."""
    counted_pico: int | None = None
    """What it counts against budgets where that is more: of a call whose end nobody knows, the worst."""
    discount_pico: int
    saved_pico: int
    """What caches saved against the same call without them."""
    price_snapshot: str
    """The catalogue's snapshot that the cost was reckoned with."""
    estimated: bool
    response_time_ms: int
    first_token_ms: int | None = None
    error_code: str | None = None
    usage_details: dict[str, int] | None = None
    """What the counts sum up or leave out, if anything: sound, pictures, uses of the provider's tools."""
    request_digest: str | None = None
    """`\\x` and hex digits: a keyed digest of the request's body."""
    created_at: datetime
    """When the attempt began, aware."""

    @property
    def op_key(self) -> str:
        return op_key(self.request_id, self.attempt)


def op_key(request_id: str, attempt: int) -> str:
    """What an attempt is called in the ledger."""
    return f"{request_id}/{attempt}"
