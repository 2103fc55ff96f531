"""Limits in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection

from models.limits.limit import Limit
from models.store import Database, load_queries


class PostgresLimits:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("limits")

    async def version(self) -> int:
        [(version,)] = await self._rows("version", {})
        return int(version)

    async def every(self) -> Sequence[Limit]:
        return [_limit(row) for row in await self._rows("every", {})]

    async def page(self, tenant_id: str | None, *, after: str, limit: int) -> Sequence[Limit]:
        values = {"tenant_id": tenant_id, "after": after or None, "limit": limit}
        return [_limit(row) for row in await self._rows("page", values)]

    async def put(self, limit: Limit) -> Limit:
        [row] = await self._rows("put", msgspec.structs.asdict(limit))
        return _limit(row)

    async def remove(self, tenant_id: str | None, limit_id: str) -> bool:
        [(removed,)] = await self._rows("remove", {"tenant_id": tenant_id, "id": limit_id})
        return bool(removed)

    async def operates(self, tenant_id: str, ops_tenant: str) -> bool:
        """Whether it is the tenant of those who run the installation."""
        return bool(await self._rows("operates", {"tenant_id": tenant_id, "ops_tenant": ops_tenant}))

    async def _rows(self, query: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async def fetch(connection: AsyncConnection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(self._queries[query], values)).fetchall()

        return await self._database.run(fetch)


def _limit(row: tuple[Any, ...]) -> Limit:
    identity, tenant_id, scope, owner, model, provider, measure, amount, burst = row
    return Limit(
        id=identity,
        tenant_id=tenant_id,
        scope=scope,
        owner=owner,
        model=model,
        provider=provider,
        measure=measure,
        amount=amount,
        burst=burst,
    )
