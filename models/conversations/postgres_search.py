"""Searching conversations in PostgreSQL: by full text, by vectors, or by both."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import asdict
from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled

from models.chat import Role
from models.conversations.conversation import Owner, is_id
from models.conversations.search import (
    CANDIDATES,
    CLOSES,
    EXACT_VECTORS,
    OPENS,
    SNIPPET_CHARS,
    Hit,
    Sought,
    fragments,
)
from models.errors import InvalidRequest
from models.store import Database, load_queries

_HEADLINE = f"StartSel={OPENS},StopSel={CLOSES},MaxFragments=2,MaxWords=24,MinWords=8,FragmentDelimiter= … "


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    message_id: str
    conversation_id: str
    title: str
    user_id: str
    branch: int
    seq: int
    role: Role
    score: float
    similarity: float
    marked: str


_found = msgspec.json.Decoder(_Found).decode


class PostgresSearch:
    def __init__(self, database: Database, *, exact_vectors: int = EXACT_VECTORS) -> None:
        self._database = database
        self._exact_vectors = exact_vectors
        self._queries = load_queries("conversation_search")

    async def search(self, owner: Owner, sought: Sought) -> list[Hit]:
        """Raises InvalidRequest for words that too much is found by."""
        if sought.conversation_id is not None and not is_id(sought.conversation_id):
            return []
        values = {
            **asdict(owner),
            **_asked(sought),
            "candidates": max(CANDIDATES, sought.limit),
            "headline": _HEADLINE,
            "snippet": SNIPPET_CHARS,
        }

        async def look(connection: AsyncConnection) -> list[Any]:
            try:
                async with connection.transaction():
                    ids = await self._candidates(connection, sought, values)
                    return await self._column(connection, "hits", {**values, "ids": ids})
            except QueryCanceled:
                raise InvalidRequest("too much is found by these words: say more", param="q") from None

        return [_hit(_found(text)) for text in await self._database.run(look)]

    async def _candidates(
        self, connection: AsyncConnection, sought: Sought, values: Mapping[str, Any]
    ) -> list[str]:
        found: list[str] = []
        if sought.words:
            found += await self._column(connection, "by_words", values)
        if sought.vector is not None:
            found += await self._near(connection, values)
        return list(set(found))

    async def _near(self, connection: AsyncConnection, values: Mapping[str, Any]) -> list[str]:
        limit = {"limit": self._exact_vectors + 1}
        (count,) = await self._column(connection, "vectors", {**values, **limit})
        if count <= self._exact_vectors:
            return await self._column(connection, "by_meaning", values)
        await connection.execute(self._queries["scan_on"], values, prepare=False)
        return await self._column(connection, "by_neighbours", values)

    async def _column(self, connection: AsyncConnection, query: str, values: Mapping[str, Any]) -> list[Any]:
        """Never as a prepared statement: a plan for any owner is a bad one for each."""
        cursor = await connection.execute(self._queries[query], values, prepare=False)
        return [value for (value,) in await cursor.fetchall()]


def _asked(sought: Sought) -> dict[str, Any]:
    vector = sought.vector
    return {
        "words": sought.words,
        "any": vector is not None,
        "vector": None if vector is None else msgspec.json.encode(vector.values).decode(),
        "encoder": None if vector is None else vector.encoder,
        "conversation_id": sought.conversation_id,
        "limit": sought.limit,
    }


def _hit(found: _Found) -> Hit:
    fields = {name: getattr(found, name) for name in _Found.__struct_fields__ if name != "marked"}
    return Hit(**fields, snippet=fragments(found.marked))
