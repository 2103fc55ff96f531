"""What a batch is, and what is asked and told of one."""

from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from typing import Literal

from msgspec import Struct

Status = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
End = Literal["completed", "expired", "cancelled"]

WINDOWS_S = {"24h": 24 * 3_600}
"""In which time a batch may be asked to be done, by what clients call it."""

_ID_CHARS = 24


class Fault(Struct, frozen=True, omit_defaults=True):
    """What is wrong with a batch's file. `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class NewBatch(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    user_id: str
    key_id: str
    endpoint: str
    input_file_id: str
    completion_window: str = "24h"
    metadata: dict[str, str] = {}
    output_lasts_s: int | None = None
    """How long its results are kept; as long as the store keeps files where None."""


class Batch(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    user_id: str
    key_id: str
    """Whose money its lines cost."""
    endpoint: str
    input_file_id: str
    completion_window: str
    status: Status
    ends_as: End | None = None
    """Set from when no more of its lines are answered."""
    metadata: dict[str, str]
    output_lasts_s: int | None = None
    total: int
    completed: int
    failed: int
    faults: tuple[Fault, ...]
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None = None
    finalizing_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    expired_at: datetime | None = None
    cancelling_at: datetime | None = None
    cancelled_at: datetime | None = None


def new_batch_id() -> str:
    return f"batch_{token_hex(_ID_CHARS // 2)}"


def batch_id_for(user_id: str, key: str) -> str:
    """The batch that a user's request with this idempotency key makes, however often it is sent."""
    return f"batch_{sha256(f'{user_id} {key}'.encode()).hexdigest()[:_ID_CHARS]}"
