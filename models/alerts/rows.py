"""The queries of alerts, and how they are asked."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from models.store import Database, load_queries


class Rows:
    """One statement each time, which is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("alerts")

    async def fetch(self, query: str, values: Mapping[str, Any]) -> Sequence[DictRow]:
        async def fetch(connection: AsyncConnection) -> Sequence[DictRow]:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(self._queries[query], values)).fetchall()

        return await self._database.run(fetch)

    async def execute(self, query: str, values: Mapping[str, Any]) -> None:
        async def execute(connection: AsyncConnection) -> None:
            await connection.execute(self._queries[query], values)

        await self._database.run(execute)
