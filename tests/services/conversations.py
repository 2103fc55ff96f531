"""People who have conversations in a real database, and what is asked of it beside the store."""

from typing import Any

from psycopg import AsyncConnection

from models.conversations import Owner
from models.identity import KeyRing, PostgresKeyStore
from models.store import Database

PEPPER = bytes(32)


async def person(database: Database, name: str = "ann", *, tenant: str = "acme") -> Owner:
    issued = await KeyRing(PostgresKeyStore(database), PEPPER).create_key(name, tenant=tenant)
    return Owner(issued.record.tenant_id, issued.record.user_id)


async def fetch(database: Database, query: bytes, *values: Any) -> list[tuple[Any, ...]]:
    async def run(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(query, values)
        return await cursor.fetchall() if cursor.description else []

    return await database.run(run)
