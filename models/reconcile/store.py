"""The ledger's side in PostgreSQL, and the record of comparisons."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec import Struct
from psycopg import AsyncConnection

from models.reconcile.comparison import Range
from models.reconcile.record import PLATFORM, LedgerSide, Outcome, Recorded, Status, op_key
from models.reconcile.report import Tokens
from models.store import Database, load_queries

Row = tuple[Any, ...]
Spot = tuple[str, datetime]
"""A model's id and a moment: the beginning of a bucket, or an edge between two."""


class Tolerance(Struct, frozen=True, kw_only=True):
    """What is allowed for between two clocks that date the same call."""

    skew: timedelta = timedelta(seconds=5)
    longest_call: timedelta = timedelta(hours=2)
    """Longer ones are taken to belong where they began."""


class Filter(Struct, frozen=True, kw_only=True):
    provider: str | None = None
    model_id: str | None = None
    status: Status | None = None
    start: datetime | None = None
    end: datetime | None = None
    every_version: bool = False
    before: int | None = None
    """Only what was recorded before the version with this id."""
    limit: int = 100


class ReconciliationStore:
    """All methods raise Overloaded if the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("reconciliation")

    async def now(self) -> datetime:
        ((now,),) = await self._rows("now", {})
        assert isinstance(now, datetime)
        return now

    async def take_lease(self, lease_s: float) -> str | None:
        """A lease to reconcile for so long, which nobody else has meanwhile; None where somebody has it."""
        lease = str(uuid4())
        return lease if await self._rows("take_lease", {"holder": lease, "lease_s": lease_s}) else None

    async def drop_lease(self, lease: str) -> None:
        await self._rows("drop_lease", {"holder": lease})

    async def other_width_until(self, provider: str, width: timedelta) -> datetime | None:
        """Up to when buckets of another width were compared: comparing them again would adjust twice."""
        ((until,),) = await self._rows("other_width_until", {"provider": provider, "width": width})
        assert until is None or isinstance(until, datetime)
        return until

    async def ledger_sides(
        self, provider: str, start: datetime, end: datetime, width: timedelta
    ) -> dict[Spot, LedgerSide]:
        values = {"provider": provider, "start": start, "end": end, "width": width}
        return {
            (model_id, bucket): LedgerSide(int(pico), int(estimated), Tokens(*tokens))
            for model_id, bucket, pico, estimated, *tokens in await self._rows("ledger_sums", values)
        }

    async def edges(
        self, provider: str, start: datetime, end: datetime, width: timedelta, tolerance: Tolerance
    ) -> dict[Spot, Range]:
        """Bounds of what may be dated on either side of each edge from `start` to `end`, where any may."""
        values = {
            "provider": provider,
            "start": start,
            "end": end,
            "width": width,
            "skew": tolerance.skew,
            "longest": tolerance.longest_call,
        }
        return {
            (model_id, edge): Range(-int(after), int(before))
            for model_id, edge, before, after in await self._rows("boundary_sums", values)
        }

    async def newest(
        self, provider: str, start: datetime, end: datetime, width: timedelta
    ) -> dict[Spot, Recorded]:
        """The newest versions of the buckets that begin from `start` to before `end`."""
        values = {"provider": provider, "start": start, "end": end, "width": width}
        found = [_recorded(row) for row in await self._rows("newest", values)]
        return {(each.outcome.model_id, each.outcome.start): each for each in found}

    async def record(self, outcome: Outcome, *, version: int, adjustment_pico: int) -> bool:
        """Keeps a version and moves its adjustment, in one transaction. False if that version was there."""
        tokens, carried = outcome.provider_tokens, outcome.carried
        values = {
            "provider": outcome.provider,
            "model_id": outcome.model_id,
            "bucket_start": outcome.start,
            "bucket_end": outcome.end,
            "version": version,
            "status": outcome.status,
            "reason": outcome.reason,
            "ledger_pico": outcome.ledger.pico,
            "estimated_pico": outcome.ledger.estimated_pico,
            "provider_pico": outcome.provider_pico,
            "ledger_tokens": outcome.ledger.tokens.as_list(),
            "provider_tokens": None if tokens is None else tokens.as_list(),
            "drift_pico": outcome.drift_pico,
            "adjustment_pico": adjustment_pico,
            "carried_low_pico": None if carried is None else carried.low,
            "carried_high_pico": None if carried is None else carried.high,
            "tenant_id": PLATFORM,
            "op_key": op_key(outcome, version),
        }
        return bool(await self._rows("record", values))

    async def listing(self, asked: Filter) -> list[Recorded]:
        """Newest first."""
        values = {name: getattr(asked, name) for name in asked.__struct_fields__}
        return [_recorded(row) for row in await self._rows("list", values)]

    async def operates(self, tenant_id: str, ops_tenant: str) -> bool:
        """Whether it is the tenant of those who run the installation: they alone see what providers bill."""
        return bool(await self._rows("operates", {"tenant_id": tenant_id, "ops_tenant": ops_tenant}))

    async def _rows(self, query: str, values: dict[str, Any]) -> Sequence[Row]:
        async def fetch(connection: AsyncConnection) -> Sequence[Row]:
            cursor = await connection.execute(self._queries[query], values)
            return await cursor.fetchall() if cursor.description else ()

        return await self._database.run(fetch)


def _recorded(row: Row) -> Recorded:
    (id_, provider, model_id, start, end, version, status, reason, ledger, estimated, billed, *rest) = row
    ledger_tokens, provider_tokens, drift, adjustment, low, high, at, moved = rest
    outcome = Outcome(
        provider=provider,
        model_id=model_id,
        start=start,
        end=end,
        status=status,
        reason=reason,
        ledger=LedgerSide(int(ledger), int(estimated), Tokens(*ledger_tokens)),
        provider_pico=None if billed is None else int(billed),
        provider_tokens=None if provider_tokens is None else Tokens(*provider_tokens),
        drift_pico=int(drift),
        carried=None if low is None else Range(int(low), int(high)),
    )
    return Recorded(
        id=id_,
        version=version,
        outcome=outcome,
        adjustment_pico=int(adjustment),
        moved_pico=int(moved),
        at=at,
    )
