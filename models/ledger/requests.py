"""What became of a request: its attempts, what is still held for it, and every movement of money."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from models.errors import InvalidRequest
from models.ledger.usage import UsageRecord, op_key
from models.store import Database, load_queries

MAX_ATTEMPTS = 64
"""As many of a request's attempts are looked for in the journal."""

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class OpenHold(Struct, frozen=True, kw_only=True):
    """Of an attempt that is under way."""

    amount_pico: int
    record: UsageRecord
    """What is charged if nobody ever tells how it ended."""


class Movement(Struct, frozen=True, kw_only=True):
    """A row of the journal."""

    op_key: str
    kind: Literal["reserve", "settle", "release", "expire", "adjust"]
    amount_pico: int
    posted_pico: int
    """What it added to the spending of each budget that it counts against."""
    price_snapshot: str
    estimated: bool
    at: datetime


class Trail(Struct, frozen=True, kw_only=True):
    request_id: str
    attempts: tuple[UsageRecord, ...]
    """Those that have ended, in their order."""
    holds: tuple[OpenHold, ...] = ()
    movements: tuple[Movement, ...] = ()

    @property
    def cost_pico(self) -> int:
        return sum(attempt.cost_pico for attempt in self.attempts)


class RequestLog(Protocol):
    """`user_id` confines it to one user's requests. Each method raises Overloaded if the store is away."""

    async def find(self, tenant_id: str, request_id: str, *, user_id: str | None) -> Trail | None: ...

    async def page(self, tenant_id: str, *, user_id: str | None, after: str, limit: int) -> Sequence[Trail]:
        """Newest first, without holds and movements; `after` is a request's id.

        Raises InvalidRequest if there is no such request.
        """


class PostgresRequestLog:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("requests")

    async def find(self, tenant_id: str, request_id: str, *, user_id: str | None) -> Trail | None:
        names = [op_key(request_id, attempt) for attempt in range(MAX_ATTEMPTS)]
        whose = {"tenant_id": tenant_id, "user_id": user_id}
        attempts = await self._column("attempts", {**whose, "request_id": request_id})
        holds = await self._column("holds", {**whose, "op_keys": names})
        if not attempts and not holds:
            return None
        journal = [name + suffix for name in names for suffix in ("", ":end", ":adjust")]
        movements = await self._column("transfers", {"tenant_id": tenant_id, "op_keys": journal})
        return Trail(
            request_id=request_id,
            attempts=tuple(_attempt(text) for text in attempts),
            holds=tuple(_hold(text) for text in holds),
            movements=tuple(_movement(text) for text in movements),
        )

    async def page(self, tenant_id: str, *, user_id: str | None, after: str, limit: int) -> Sequence[Trail]:
        before = await self._place(tenant_id, after) if after else _END_OF_TIME
        values = {"tenant_id": tenant_id, "user_id": user_id, "before": before, "request_id": after}
        texts = await self._column("page", {**values, "limit": limit})
        return [Trail(request_id=found[0].request_id, attempts=found) for found in map(_attempts, texts)]

    async def _place(self, tenant_id: str, request_id: str) -> datetime:
        values = {"tenant_id": tenant_id, "request_id": request_id}
        found: list[datetime] = await self._column("place", values)
        if not found:
            raise unknown_place(request_id)
        return found[0]

    async def _column(self, query: str, values: Mapping[str, Any]) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            rows = await connection.execute(self._queries[query], values)
            return [value for (value,) in await rows.fetchall()]

        return await self._database.run(fetch)


class InMemoryRequestLog:
    """What is put into `trails`."""

    def __init__(self) -> None:
        self.trails: list[Trail] = []

    async def find(self, tenant_id: str, request_id: str, *, user_id: str | None) -> Trail | None:
        found = self._of(tenant_id, user_id)
        return next((trail for trail in found if trail.request_id == request_id), None)

    async def page(self, tenant_id: str, *, user_id: str | None, after: str, limit: int) -> Sequence[Trail]:
        found = sorted(self._of(tenant_id, user_id), key=_age, reverse=True)
        ids = [trail.request_id for trail in found]
        if after and after not in ids:
            raise unknown_place(after)
        first = ids.index(after) + 1 if after else 0
        return found[first : first + limit]

    def _of(self, tenant_id: str, user_id: str | None) -> list[Trail]:
        return [
            trail
            for trail in self.trails
            if trail.attempts
            and trail.attempts[0].tenant_id == tenant_id
            and user_id in (None, trail.attempts[0].user_id)
        ]


def unknown_place(request_id: str) -> InvalidRequest:
    return InvalidRequest(f"there is no request {request_id}", param="after")


def _age(trail: Trail) -> tuple[datetime, str]:
    return trail.attempts[0].created_at, trail.request_id


_attempt = msgspec.json.Decoder(UsageRecord).decode
_attempts = msgspec.json.Decoder(tuple[UsageRecord, ...]).decode
_hold = msgspec.json.Decoder(OpenHold).decode
_movement = msgspec.json.Decoder(Movement).decode
