"""Questions by what they mean, in PostgreSQL or in this process; always of one user, in one scope."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from psycopg import AsyncConnection

from models.caching.invalidation import Invalidation
from models.caching.key import Owner, Question
from models.caching.similar import Near, Vector
from models.store import Database, load_queries

EXACT = 500
"""So many of a scope are all compared; of more the index finds the nearest."""
MAX_OF_USER = 5_000
_TRIM_EVERY = 100
_SWEPT_AT_ONCE = 1_000


class PostgresSimilar:
    def __init__(self, database: Database, *, exact: int = EXACT, max_of_user: int = MAX_OF_USER) -> None:
        self._database = database
        self._queries = load_queries("semantic_cache")
        self._exact = exact
        self._max_of_user = max_of_user
        self._puts = 0

    async def near(
        self, owner: Owner, scope: bytes, vector: Vector, *, least: float, limit: int
    ) -> list[Near]:
        values = {
            **owner._asdict(),
            **_of(vector),
            "scope": scope,
            "least": least,
            "limit": limit,
            "most": self._exact + 1,
        }

        async def look(connection: AsyncConnection) -> list[Near]:
            ((count,),) = await self._rows(connection, "count", values)
            if count == 0:
                return []
            if count <= self._exact:
                return [Near(*row) for row in await self._rows(connection, "among_all", values)]
            async with connection.transaction():
                await connection.execute(self._queries["scan_on"], prepare=False)
                return [Near(*row) for row in await self._rows(connection, "among_neighbours", values)]

        return await self._database.run(look)

    async def put(
        self, owner: Owner, question: Question, vector: Vector, *, model_id: str, sealed: bytes, ttl_s: int
    ) -> None:
        values = {
            **owner._asdict(),
            **_of(vector),
            "scope": question.scope,
            "name": question.name,
            "model_id": model_id,
            "answer": sealed,
            "ttl_s": ttl_s,
        }
        await self._change("put", values)
        self._puts += 1
        if self._puts % _TRIM_EVERY == 0:
            await self.trim(owner)

    async def trim(self, owner: Owner) -> None:
        await self._change("trim", {**owner._asdict(), "most": self._max_of_user})

    async def invalidate(self, what: Invalidation) -> None:
        await self._change("invalidate", msgspec.structs.asdict(what))

    async def sweep(self) -> None:
        """A job: deletes what is too old."""
        while await self._change("sweep", {"limit": _SWEPT_AT_ONCE}) == _SWEPT_AT_ONCE:
            pass

    async def _rows(self, connection: AsyncConnection, query: str, values: dict[str, Any]) -> list[Any]:
        """Never as a prepared statement: a plan for any owner is a bad one for each."""
        cursor = await connection.execute(self._queries[query], values, prepare=False, binary=True)
        return await cursor.fetchall()

    async def _change(self, query: str, values: dict[str, Any]) -> int:
        async def change(connection: AsyncConnection) -> int:
            return (await connection.execute(self._queries[query], values, prepare=False)).rowcount

        return await self._database.run(change)


class _Row(NamedTuple):
    scope: bytes
    model_id: str
    encoder: str
    values: tuple[float, ...]
    sealed: bytes
    until: float


class InMemorySimilar:
    """`clock` is in seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rows: dict[tuple[Owner, bytes], _Row] = {}
        self._clock = clock

    async def near(
        self, owner: Owner, scope: bytes, vector: Vector, *, least: float, limit: int
    ) -> list[Near]:
        found = [
            Near(sum(a * b for a, b in zip(row.values, vector.values, strict=True)), name, row.sealed)
            for (whose, name), row in self.rows.items()
            if (whose, row.scope, row.encoder) == (owner, scope, vector.encoder) and row.until > self._clock()
        ]
        close = [near for near in found if near.similarity >= least]
        return sorted(close, key=lambda near: -near.similarity)[:limit]

    async def put(
        self, owner: Owner, question: Question, vector: Vector, *, model_id: str, sealed: bytes, ttl_s: int
    ) -> None:
        until = self._clock() + ttl_s
        row = _Row(question.scope, model_id, vector.encoder, tuple(vector.values), sealed, until)
        self.rows[owner, question.name] = row

    async def invalidate(self, what: Invalidation) -> None:
        for owner, name in list(self.rows):
            if what.is_of(*owner, self.rows[owner, name].model_id):
                del self.rows[owner, name]


def _of(vector: Vector) -> dict[str, str]:
    return {"vector": msgspec.json.encode(vector.values).decode(), "encoder": vector.encoder}
