"""Files that clients bring and fetch: in PostgreSQL, in pieces, so that none is ever held whole."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from secrets import token_hex
from typing import Any, Literal

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from models.errors import InvalidRequest, NotFound, PayloadTooLarge, PolyvoxError
from models.store import Database, load_queries

Purpose = Literal["batch", "batch_output"]

CHUNK_BYTES = 256 * 1024
MAX_FILE_BYTES = 200 * 1024 * 1024
MAX_TENANT_BYTES = 20 * 1024 * 1024 * 1024
KEPT_S = 30 * 24 * 3_600
"""How long a file is kept unless its owner says otherwise."""

UNFINISHED_S = 3_600
_SWEPT_AT_ONCE = 20


class Owner(Struct, frozen=True):
    """Whose files and batches are meant."""

    tenant_id: str
    user_id: str


class StoredFile(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    user_id: str
    purpose: str
    filename: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None


class FileStore:
    """Every method raises Overloaded if the database is away."""

    def __init__(
        self,
        database: Database,
        *,
        most_bytes: int = MAX_FILE_BYTES,
        most_tenant_bytes: int = MAX_TENANT_BYTES,
    ) -> None:
        self._database = database
        self._queries = load_queries("files")
        self._most_bytes = most_bytes
        self._most_tenant_bytes = most_tenant_bytes

    async def write(
        self,
        owner: Owner,
        content: AsyncIterable[bytes],
        *,
        filename: str,
        purpose: Purpose,
        lasts_s: Callable[[], int] = lambda: KEPT_S,
    ) -> StoredFile:
        """Nobody sees it before it is complete; how long it is kept is asked at its end. Raises
        PayloadTooLarge, and InvalidRequest where the tenant has no room for more."""
        await self._check_room(owner)
        id = await self.begin(owner, filename=filename, purpose=purpose)
        writer = FileWriter(self, id)
        try:
            async for piece in content:
                if writer.size_bytes + len(piece) > self._most_bytes:
                    raise PayloadTooLarge(f"a file has at most {self._most_bytes} bytes", param="file")
                await writer.write(piece)
            await writer.flush()
            return await self._completed(id, writer.size_bytes, lasts_s())
        except BaseException:
            with suppress(PolyvoxError):  # else the sweep finds it
                await self._run("discard", {"id": id})
            raise

    async def begin(self, owner: Owner, *, filename: str, purpose: Purpose, lasts_s: int = KEPT_S) -> str:
        """The id of a new file that is still to be written."""
        id = f"file-{token_hex(12)}"
        named = {"id": id, "tenant_id": owner.tenant_id, "user_id": owner.user_id}
        said = {"filename": filename, "purpose": purpose, "lasts_s": lasts_s}
        await self._run("add", {**named, **said})
        return id

    async def add_chunk(self, id: str, seq: int, data: bytes) -> None:
        await self._run("add_chunk", {"id": id, "seq": seq, "data": data})

    async def find(self, owner: Owner, id: str) -> StoredFile:
        """Raises NotFound, also for one of somebody else's."""
        found = await self._fetch("find", {**_of(owner), "id": id})
        if not found:
            raise _unknown(id)
        return found[0]

    async def list(
        self, owner: Owner, *, after: str | None, limit: int, purpose: str | None, oldest_first: bool
    ) -> Sequence[StoredFile]:
        """A page that begins after the file of that id."""
        asked = {"after": after, "limit": limit, "purpose": purpose, "oldest_first": oldest_first}
        return await self._fetch("list", {**_of(owner), **asked})

    async def delete(self, owner: Owner, id: str) -> None:
        """Raises NotFound."""
        if not await self._run("delete", {**_of(owner), "id": id}):
            raise _unknown(id)

    async def read(self, id: str) -> AsyncIterator[bytes]:
        """Its pieces in their order; one that is deleted meanwhile ends early."""
        seq = 0
        while (chunk := await self._chunk(id, seq)) is not None:
            yield chunk
            seq += 1

    async def sweep(self) -> None:
        """Forget what has expired and what was never completed."""
        values = {"unfinished_s": UNFINISHED_S, "limit": _SWEPT_AT_ONCE}
        while await self._run("sweep", values) == _SWEPT_AT_ONCE:
            pass

    async def _check_room(self, owner: Owner) -> None:
        async def stored(connection: AsyncConnection) -> int:
            row = await (await connection.execute(self._queries["stored"], _of(owner))).fetchone()
            assert row is not None
            return int(row[0])

        if await self._database.run(stored) >= self._most_tenant_bytes:
            raise InvalidRequest(f"your files come to {self._most_tenant_bytes} bytes: delete some")

    async def _completed(self, id: str, size_bytes: int, lasts_s: int) -> StoredFile:
        found = await self._fetch("complete", {"id": id, "size_bytes": size_bytes, "lasts_s": lasts_s})
        if not found:
            raise _unknown(id)
        return found[0]

    async def _chunk(self, id: str, seq: int) -> bytes | None:
        async def fetch(connection: AsyncConnection) -> bytes | None:
            cursor = await connection.execute(self._queries["chunk"], {"id": id, "seq": seq}, binary=True)
            row = await cursor.fetchone()
            return None if row is None else bytes(row[0])

        return await self._database.run(fetch)

    async def _fetch(self, query: str, values: dict[str, Any]) -> Sequence[StoredFile]:
        async def fetch(connection: AsyncConnection) -> Sequence[StoredFile]:
            async with connection.cursor(row_factory=class_row(StoredFile)) as cursor:
                return await (await cursor.execute(self._queries[query], values)).fetchall()

        return await self._database.run(fetch)

    async def _run(self, query: str, values: dict[str, Any]) -> int:
        async def run(connection: AsyncConnection) -> int:
            return (await connection.execute(self._queries[query], values)).rowcount

        return await self._database.run(run)


class FileWriter:
    """Pieces of any size in, chunks of one size into the store."""

    def __init__(self, files: FileStore, id: str) -> None:
        self._files = files
        self._id = id
        self._waiting = bytearray()
        self._seq = 0
        self.size_bytes = 0

    async def write(self, piece: bytes) -> None:
        self._waiting += piece
        self.size_bytes += len(piece)
        while len(self._waiting) >= CHUNK_BYTES:
            await self._store(CHUNK_BYTES)

    async def flush(self) -> None:
        if self._waiting:
            await self._store(len(self._waiting))

    async def _store(self, size: int) -> None:
        await self._files.add_chunk(self._id, self._seq, bytes(self._waiting[:size]))
        del self._waiting[:size]
        self._seq += 1


def _of(owner: Owner) -> dict[str, str]:
    return {"tenant_id": owner.tenant_id, "user_id": owner.user_id}


def _unknown(id: str) -> NotFound:
    return NotFound(f"there is no file {id[:120]}", param="file_id")
