"""The record of every attempt at a provider, and where it is kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, DataError, IntegrityError

from models.errors import Internal
from models.store import Database, load_queries

Status = Literal["completed", "failed", "cancelled"]


class UsageRecord(Struct, frozen=True, kw_only=True):
    """One attempt. `(request_id, attempt)` names it: recording it again changes nothing.

    Texts hold no NUL, tenant and user ids are UUIDs: PostgreSQL takes nothing else.
    """

    request_id: str
    attempt: int = 0
    tenant_id: str | None = None
    user_id: str | None = None
    key_id: str | None = None
    conversation_id: str | None = None
    model_id: str
    provider: str
    endpoint: str
    """The client's way in, such as `/v1/chat/completions`."""
    stream: bool = False
    status: Status
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    service_tier: str = ""
    cost_pico: int = 0
    price_snapshot: str = ""
    """The catalogue's snapshot that the cost was reckoned with."""
    estimated: bool = False
    response_time_ms: int
    first_token_ms: int | None = None
    error_code: str | None = None
    created_at: datetime
    """When the attempt began, aware."""


class UsageStore(Protocol):
    async def record_many(self, records: Sequence[UsageRecord]) -> None:
        """All of them or none; those already there are left as they are.

        Raises Overloaded if it cannot now, Internal if a record is one that it never takes: then each of the
        batch is to be recorded alone, so that the others are not lost with it.
        """

    async def of_request(self, request_id: str) -> list[UsageRecord]:
        """The attempts of one request, in their order."""


class PostgresUsageStore:
    """A batch is one JSON parameter of one INSERT: one round trip, one commit, and little Python per row."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("usage")

    async def record_many(self, records: Sequence[UsageRecord]) -> None:
        if not records:
            return
        # In one order, so that two batches with rows in common wait for each other instead of deadlocking.
        try:
            rows = msgspec.json.encode(sorted(records, key=_identity)).decode()
        except UnicodeEncodeError as error:
            raise Internal("A usage record holds half a surrogate pair.") from error

        async def insert(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["record_usage"], {"rows": rows})

        try:
            await self._database.run(insert)
        except (DataError, IntegrityError) as error:
            raise Internal(f"PostgreSQL refuses a usage record ({type(error).__name__}).") from error

    async def of_request(self, request_id: str) -> list[UsageRecord]:
        async def select(connection: AsyncConnection) -> list[UsageRecord]:
            rows = await connection.execute(self._queries["usage_of_request"], {"request_id": request_id})
            return [msgspec.json.decode(text, type=UsageRecord) for (text,) in await rows.fetchall()]

        return await self._database.run(select)


class InMemoryUsageStore:
    """Keeps the newest `max_records`."""

    def __init__(self, *, max_records: int = 100_000) -> None:
        self._records: dict[tuple[str, int], UsageRecord] = {}
        self._max_records = max_records

    async def record_many(self, records: Sequence[UsageRecord]) -> None:
        for record in records:
            self._records.setdefault((record.request_id, record.attempt), record)
        while len(self._records) > self._max_records:
            del self._records[next(iter(self._records))]

    async def of_request(self, request_id: str) -> list[UsageRecord]:
        found = [record for (request, _), record in self._records.items() if request == request_id]
        return sorted(found, key=lambda record: record.attempt)


def _identity(record: UsageRecord) -> tuple[str, int]:
    return record.request_id, record.attempt
