"""Batches and their lines in PostgreSQL, which alone knows who is at what, however many ask."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from models.batches.batch import WINDOWS_S, Batch, End, Fault, NewBatch
from models.batches.files import Owner
from models.batches.line import Answer, Claimed, Line, Result
from models.errors import Conflict, InvalidRequest, NotFound
from models.store import Database, load_queries

MOST_OPEN = 100
"""Batches of one user that are not done."""

LEASE_S = 30.0
"""Who is not heard for so long is taken to be gone."""

DROPPED_AT_ONCE = 2_000
KEPT_DAYS = 90
"""How long a batch that is done can be asked for."""

_batch = msgspec.json.Decoder(Batch).decode
_encode = msgspec.json.Encoder().encode


class _Row(Struct, frozen=True):
    number: int
    custom_id: str
    state: str
    status_code: int | None
    request_id: str | None
    answer: bytes | None


class _Base:
    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._queries: Mapping[str, bytes] = load_queries("batches")
        self._lease_s = lease_s

    async def _texts(self, query: str, values: dict[str, Any]) -> list[str]:
        async def fetch(connection: AsyncConnection) -> list[str]:
            rows = await connection.execute(self._queries[query], values)
            return [text for (text,) in await rows.fetchall()]

        return await self._database.run(fetch)

    async def _run(self, query: str, values: dict[str, Any]) -> int:
        async def run(connection: AsyncConnection) -> int:
            return (await connection.execute(self._queries[query], values)).rowcount

        return await self._database.run(run)


class BatchStore(_Base):
    """What clients ask for. Every method raises Overloaded if the database is away."""

    async def add(self, new: NewBatch) -> Batch:
        """Told again it is the batch that there is. Raises Conflict if that is another one, InvalidRequest
        where too many are open."""
        values = msgspec.structs.asdict(new) | {
            "metadata": _encode(new.metadata).decode(),
            "window_s": WINDOWS_S[new.completion_window],
            "most_open": MOST_OPEN,
        }
        await self._run("add", values)
        try:
            batch = await self.find(Owner(new.tenant_id, new.user_id), new.id)
        except NotFound:
            raise InvalidRequest(f"{MOST_OPEN} of your batches are not done yet") from None
        if (batch.input_file_id, batch.endpoint) != (new.input_file_id, new.endpoint):
            raise Conflict("this idempotency key made another batch")
        return batch

    async def find(self, owner: Owner, id: str) -> Batch:
        """Raises NotFound, also for one of somebody else's."""
        found = await self._texts("find", {**msgspec.structs.asdict(owner), "id": id})
        if not found:
            raise NotFound(f"there is no batch {id[:120]}", param="batch_id")
        return _batch(found[0])

    async def list(self, owner: Owner, *, after: str | None, limit: int) -> Sequence[Batch]:
        """A page, the newest first, that begins after the batch of that id."""
        values = {**msgspec.structs.asdict(owner), "after": after, "limit": limit}
        return [_batch(text) for text in await self._texts("list", values)]

    async def cancel(self, owner: Owner, id: str) -> Batch:
        """Lines that are under way are finished. Raises Conflict if there is nothing left to be cancelled."""
        await self._run("cancel", {**msgspec.structs.asdict(owner), "id": id})
        batch = await self.find(owner, id)
        if batch.status not in ("cancelling", "cancelled"):
            raise Conflict(f"a batch that is {batch.status} cannot be cancelled")
        return batch


class LineStore(_Base):
    """Lines as they are run. Every method raises Overloaded if the database is away."""

    async def open(self, *, limit: int = 100) -> Sequence[str]:
        """Batches that have lines to be answered, the oldest first."""
        return await self._texts("open", {"limit": limit})

    async def claim(self, batch_id: str, *, limit: int, most_running: int) -> Sequence[Claimed]:
        """Lines that the caller sets out to answer now: nobody else gets them while they are renewed.

        No more than `most_running` of the batch are under way anywhere.
        """
        asked = {"id": batch_id, "limit": limit, "most_running": most_running, "lease_s": self._lease_s}

        async def claim(connection: AsyncConnection) -> Sequence[Claimed]:
            async with (
                connection.transaction(),
                connection.cursor(binary=True, row_factory=class_row(Claimed)) as cursor,
            ):
                if not (await connection.execute(self._queries["lock"], {"id": batch_id})).rowcount:
                    return ()
                return await (await cursor.execute(self._queries["claim"], asked)).fetchall()

        return sorted(await self._database.run(claim), key=lambda line: line.number)

    async def renew(self, lines: Sequence[Claimed]) -> set[tuple[str, int, int]]:
        """Which of them, by batch, number and run, are still the caller's."""
        ordered = sorted(lines, key=lambda line: (line.batch_id, line.number))
        values = {
            "batch_ids": [line.batch_id for line in ordered],
            "numbers": [line.number for line in ordered],
            "runs": [line.run for line in ordered],
            "lease_s": self._lease_s,
        }

        async def renew(connection: AsyncConnection) -> set[tuple[str, int, int]]:
            rows = await connection.execute(self._queries["renew"], values)
            return {(batch_id, number, run) for batch_id, number, run in await rows.fetchall()}

        return await self._database.run(renew)

    async def finish(self, line: Claimed, answer: Answer) -> bool:
        """Whether it counts: not where somebody else has taken the line over."""
        said = {"status_code": answer.status_code, "request_id": line.request_id, "answer": answer.body}
        return bool(await self._run("finish", {**_named(line), **said}))

    async def put_back(self, line: Claimed, *, wait_s: float, tries: int) -> None:
        """To be run again after `wait_s`; `tries` is what the run counts for."""
        await self._run("put_back", {**_named(line), "wait_s": wait_s, "tries": tries})


class CaretakerStore(_Base):
    """What one process at a time does to a batch as a whole.

    What is told of a batch that another one has taken meanwhile changes nothing.
    """

    def __init__(self, database: Database, *, holder: str, lease_s: float = LEASE_S) -> None:
        super().__init__(database, lease_s=lease_s)
        self._holder = holder

    async def take(self) -> Batch | None:
        """One whose file is to be read, or whose results are to be written."""
        found = await self._texts("take", {"holder": self._holder, "lease_s": self._lease_s})
        return _batch(found[0]) if found else None

    async def hold(self, id: str) -> bool:
        """Whether it is still the caller's, who is still at it."""
        return bool(await self._texts("hold", self._held(id, lease_s=self._lease_s)))

    async def leave(self, id: str, *, wait_s: float) -> None:
        await self._run("leave", self._held(id, wait_s=wait_s))

    async def add_lines(self, id: str, lines: Sequence[Line]) -> None:
        await self._run(
            "add_lines",
            self._held(
                id,
                numbers=[line.number for line in lines],
                custom_ids=[line.custom_id for line in lines],
                urls=[line.url for line in lines],
                bodies=[line.body for line in lines],
            ),
        )

    async def drop_lines(self, id: str) -> None:
        values = self._held(id, limit=DROPPED_AT_ONCE)
        while await self._run("drop_lines", values) == DROPPED_AT_ONCE:
            pass

    async def begin(self, id: str, *, total: int) -> None:
        await self._run("begin", self._held(id, total=total))

    async def fail(self, id: str, faults: Sequence[Fault], *, total: int) -> None:
        await self._run("fail", self._held(id, faults=_encode(faults).decode(), total=total))

    async def close(self, id: str) -> End | None:
        """What it ends as; None if another one has taken it."""
        found = await self._texts("close", self._held(id))
        return msgspec.convert(found[0], End) if found else None

    async def results(self, id: str, *, after: int, limit: int, most_bytes: int) -> Sequence[Result]:
        values = {"id": id, "after": after, "limit": limit, "most_bytes": most_bytes}

        async def fetch(connection: AsyncConnection) -> Sequence[_Row]:
            async with connection.cursor(binary=True, row_factory=class_row(_Row)) as cursor:
                return await (await cursor.execute(self._queries["results"], values)).fetchall()

        return [
            Result(
                number=row.number,
                custom_id=row.custom_id,
                status_code=row.status_code,
                request_id=row.request_id,
                answer=row.answer if row.state == "done" else None,
            )
            for row in await self._database.run(fetch)
        ]

    async def end(
        self, id: str, *, output_file_id: str | None, error_file_id: str | None, sizes: Mapping[str, int]
    ) -> None:
        """It is done: its files can be seen from now on."""
        await self._run(
            "end",
            self._held(
                id,
                output_file_id=output_file_id,
                error_file_id=error_file_id,
                file_ids=list(sizes),
                sizes=list(sizes.values()),
            ),
        )

    async def sweep(self) -> None:
        values = {"kept_days": KEPT_DAYS, "limit": DROPPED_AT_ONCE}
        while await self._run("sweep", values) == DROPPED_AT_ONCE:
            pass

    def _held(self, id: str, **said: object) -> dict[str, Any]:
        return {"id": id, "holder": self._holder, **said}


def _named(line: Claimed) -> dict[str, Any]:
    return {"batch_id": line.batch_id, "number": line.number, "run": line.run}
