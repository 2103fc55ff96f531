"""Where the ledger's truth is: PostgreSQL, whose `ledger_apply` decides, however many writers ask at once."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from psycopg import AsyncConnection, DataError, IntegrityError

from models.errors import Internal
from models.ledger.holds import Ask, Grant
from models.ledger.usage import UsageRecord
from models.store import Database, SingleConnection, load_queries

PLANNER = "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off" + (
    " -c plan_cache_mode=force_generic_plan"
)
"""A batch is a few rows out of tables of millions, and the planner takes JSON for a hundred."""

LEASE_S = 30.0
"""A hold whose holder has not been heard for so long is charged as its record says."""

_encode = msgspec.json.Encoder().encode
_grant = msgspec.json.Decoder(Grant)
_record = msgspec.json.Decoder(UsageRecord)


class LedgerStore(Protocol):
    """All methods raise Overloaded if it cannot be reached now, and may be called again with the same."""

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        """Outcomes of calls, then reservations, all of it durable or nothing. No `op_key` comes twice.

        Raises Internal if one of them is none that it ever takes: then each is to be tried alone, so that the
        others are not lost with it.
        """
        ...

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        """These calls are still under way; if nobody is heard any more, they are charged as told here."""
        ...

    async def expired(self, *, limit: int) -> list[UsageRecord]:
        """Records to apply of holds that nobody renewed in time."""
        ...

    async def ping(self) -> None: ...


class PostgresLedgerStore:
    """A batch is one function call: one round trip, one commit. On a `SingleConnection`
    with `PLANNER` it costs least."""

    def __init__(self, database: Database | SingleConnection, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._queries = load_queries("ledger")
        self._lease_s = lease_s

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        # In one order, so that batches with rows in common wait for each other instead of deadlocking.
        records = sorted(records, key=_name)
        values = {
            "records": _json(records) if records else None,
            "asks": _json(asks) if asks else None,
            "lease_s": self._lease_s,
        }
        return [_grant.decode(text) for text in await self._texts("apply", values)]

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        values = {"records": _json(records), "lease_s": self._lease_s}

        async def update(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["renew"], values)

        await self._database.run(update)

    async def expired(self, *, limit: int) -> list[UsageRecord]:
        return [_record.decode(text) for text in await self._texts("expired", {"limit": limit})]

    async def ping(self) -> None:
        await self._texts("ping", {})

    async def usage_of(self, request_id: str) -> list[UsageRecord]:
        """The attempts of one request, in their order."""
        texts = await self._texts("usage_of_request", {"request_id": request_id})
        return [_record.decode(text) for text in texts]

    async def _texts(self, query: str, values: dict[str, Any]) -> list[str]:
        async def fetch(connection: AsyncConnection) -> list[str]:
            rows = await connection.execute(self._queries[query], values)
            return [text for (text,) in await rows.fetchall()]

        try:
            return await self._database.run(fetch)
        except (DataError, IntegrityError) as error:
            raise Internal(
                f"PostgreSQL refuses an operation of the ledger ({type(error).__name__})"
            ) from error


def _name(record: UsageRecord) -> tuple[str, str]:
    return record.tenant_id, record.op_key


def _json(rows: Sequence[UsageRecord] | Sequence[Ask]) -> str:
    try:
        return _encode(rows).decode()
    except UnicodeEncodeError as error:
        raise Internal("a record of the ledger holds half a surrogate pair") from error
