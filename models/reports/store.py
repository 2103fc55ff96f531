"""Where reports read: sums over `model_usage`, made by PostgreSQL."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from msgspec.structs import asdict
from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled

from models.errors import InvalidRequest
from models.reports.advice.caching import KEPT_FOR, SHORTEST_TOKENS
from models.reports.rates import Sizes
from models.reports.rows import CostRecord, Outcome, OutputLengths, Repeats, Shape, Simple, Turns
from models.reports.selection import Dimension, Owner, Selection, UsageQuery
from models.reports.time_range import TimeRange
from models.reports.totals import Cell, Totals
from models.store import Database, load_queries

RowT = TypeVar("RowT")

NEWEST_CALLS = 20_000
"""How many calls say how long a model's answers are."""


class ReportStore(Protocol):
    """Each method raises Overloaded if the store is away, InvalidRequest if it would take too long."""

    async def usage(self, query: UsageQuery, until: TimeRange) -> list[Cell]:
        """The cells of `until` and, where the query compares, those of the range before, unbucketed."""

    async def daily_spend(self, selection: Selection, days: Sequence[TimeRange]) -> list[int]: ...

    async def shapes(
        self,
        owner: Owner,
        time_range: TimeRange,
        *,
        sizes: Sizes,
        simple: Simple,
        background: Sequence[str],
    ) -> list[Shape]:
        """`background` names endpoints that nobody waits at."""

    async def turns(self, owner: Owner, time_range: TimeRange, *, sizes: Sizes) -> list[Turns]: ...

    async def repeats(self, owner: Owner, time_range: TimeRange) -> list[Repeats]: ...

    async def outcomes(self, owner: Owner, time_range: TimeRange) -> list[Outcome]: ...

    async def charges(self, owner: Owner, request_id: str) -> list[CostRecord]:
        """What the attempts of a request were settled at, in their order."""

    async def output_lengths(self, owner: Owner, *, since: datetime) -> list[OutputLengths]:
        """Of the newest completed calls."""


class PostgresReports:
    """Reports at most `at_once` at a time, so that what else the database is for is not held up.

    The database's own limit of a statement's time is to be no shorter than `statement_timeout_s`.
    """

    def __init__(self, database: Database, *, statement_timeout_s: float = 10.0, at_once: int = 2) -> None:
        self._database = database
        self._limits = {"milliseconds": round(statement_timeout_s * 1_000)}
        self._turn = asyncio.Semaphore(at_once)
        self._queries = load_queries("reports")

    async def usage(self, query: UsageQuery, until: TimeRange) -> list[Cell]:
        ranges = [until.before()] if query.compare else []
        ranges += until.buckets(query.bucket)
        rows = await self._fetch(
            "usage",
            _UsageRow,
            **_selected(query.selection),
            **_stretches(ranges),
            group_by=list(query.group_by),
            groups=query.groups,
            compared=int(query.compare),
        )
        return [_cell(row, query, ranges) for row in rows]

    async def daily_spend(self, selection: Selection, days: Sequence[TimeRange]) -> list[int]:
        return await self._fetch("daily_spend", int, **_selected(selection), **_stretches(days))

    async def shapes(
        self,
        owner: Owner,
        time_range: TimeRange,
        *,
        sizes: Sizes,
        simple: Simple,
        background: Sequence[str],
    ) -> list[Shape]:
        return await self._fetch(
            "shapes",
            Shape,
            **_owned(owner, time_range),
            **{**asdict(simple), "simple_tasks": list(simple.tasks)},
            edges=list(sizes.edges),
            background=list(background),
        )

    async def turns(self, owner: Owner, time_range: TimeRange, *, sizes: Sizes) -> list[Turns]:
        return await self._fetch(
            "turns",
            Turns,
            **_owned(owner, time_range),
            edges=list(sizes.edges),
            kept=KEPT_FOR,
            shortest=SHORTEST_TOKENS,
        )

    async def repeats(self, owner: Owner, time_range: TimeRange) -> list[Repeats]:
        days = _stretches(time_range.buckets("day"))
        return await self._fetch("repeats", Repeats, **_owned(owner, time_range), **days)

    async def outcomes(self, owner: Owner, time_range: TimeRange) -> list[Outcome]:
        return await self._fetch("outcomes", Outcome, **_owned(owner, time_range))

    async def charges(self, owner: Owner, request_id: str) -> list[CostRecord]:
        return await self._fetch("charges", CostRecord, **asdict(owner), request_id=request_id)

    async def output_lengths(self, owner: Owner, *, since: datetime) -> list[OutputLengths]:
        return await self._fetch(
            "output_lengths", OutputLengths, **asdict(owner), since=since, newest=NEWEST_CALLS
        )

    async def _fetch(self, name: str, row: type[RowT], **parameters: object) -> list[RowT]:
        """Rows are JSON, each on its own: exact whole numbers, decoded without a line for each column.

        Never as a prepared statement: a plan for any parameters takes several times as long as one for these.
        """

        async def select(connection: AsyncConnection) -> list[RowT]:
            try:
                async with connection.transaction():
                    await connection.execute(self._queries["limits"], self._limits)
                    cursor = await connection.execute(self._queries[name], parameters, prepare=False)
                    found = await cursor.fetchall()
            except QueryCanceled:
                raise InvalidRequest(
                    "there are too many calls to report on: ask for a shorter range or fewer groups",
                    param="start",
                ) from None
            decoder = msgspec.json.Decoder(row)
            return [decoder.decode(text) for (text,) in found]

        async with self._turn:
            return await self._database.run(select)


class _UsageRow(Totals, frozen=True, kw_only=True):
    """A cell as the query has it; '' stands for calls that have no such value."""

    bucket: int
    other: bool
    model: str | None
    provider: str | None
    user: str | None
    team: str | None
    key: str | None
    task: str | None
    conversation: str | None
    status: str | None
    endpoint: str | None
    user_name: str | None
    team_name: str | None
    key_name: str | None


def _cell(row: _UsageRow, query: UsageQuery, ranges: Sequence[TimeRange]) -> Cell:
    names: dict[Dimension, str | None] = {
        "user": row.user_name,
        "team": row.team_name,
        "key": row.key_name,
    }
    return Cell(
        time_range=ranges[row.bucket - 1],
        key=() if row.other else tuple((d, getattr(row, d) or None) for d in query.group_by),
        other=row.other,
        names=tuple((dimension, name) for dimension, name in names.items() if name),
        totals=Totals(**{field: getattr(row, field) for field in Totals.__struct_fields__}),
    )


def _selected(selection: Selection) -> dict[str, object]:
    names = {name: list(value) or None for name, value in asdict(selection).items() if name != "tenant_id"}
    return {"tenant_id": selection.tenant_id, **names}


def _stretches(ranges: Sequence[TimeRange]) -> dict[str, object]:
    return {"starts": [stretch.start for stretch in ranges], "ends": [stretch.end for stretch in ranges]}


def _owned(owner: Owner, time_range: TimeRange) -> dict[str, object]:
    return {**asdict(owner), "start": time_range.start, "end": time_range.end}
