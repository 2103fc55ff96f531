"""Keys, users and teams in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from models.identity.store import KeyRecord, NewKey, Team
from models.store import Database, load_queries


class PostgresKeyStore:
    """A KeyStore and a Directory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("identity")

    async def find(self, key_id: str) -> KeyRecord | None:
        rows = await self._fetch("find_key", {"id": key_id})
        return _record(rows[0]) if rows else None

    async def add(self, key: NewKey) -> KeyRecord:
        values = msgspec.structs.asdict(key) | {"roles": list(key.roles), "scopes": list(key.scopes)}

        async def insert(connection: AsyncConnection) -> None:
            async with connection.transaction():
                for name in ("ensure_tenant", "ensure_user", "ensure_team", "add_key"):
                    await connection.execute(self._queries[name], values)

        await self._database.run(insert)
        return _record((await self._fetch("find_key", {"id": key.id}))[0])

    async def list(
        self, *, tenant_id: str | None, user_id: str | None, user: str | None, after: str, limit: int
    ) -> Sequence[KeyRecord]:
        values = {"tenant_id": tenant_id, "user_id": user_id, "user": user, "after": after, "limit": limit}
        return [_record(r) for r in await self._fetch("list_keys", values)]

    async def revoke(self, key_id: str) -> bool:
        return bool(await self._fetch("revoke_key", {"id": key_id}))

    async def user_id(self, tenant_id: str, who: str) -> str | None:
        rows = await self._fetch("user_id", {"tenant_id": tenant_id, "who": who})
        return str(rows[0]["id"]) if rows else None

    async def team_id(self, tenant_id: str, which: str) -> str | None:
        rows = await self._fetch("team_id", {"tenant_id": tenant_id, "which": which})
        return str(rows[0]["id"]) if rows else None

    async def add_team(self, tenant_id: str, name: str) -> Team:
        values = {"tenant_id": tenant_id, "name": name}
        rows = await self._fetch("add_team", values) or await self._fetch("find_team", values)
        return _team(rows[0])

    async def teams(self, tenant_id: str, *, after: str, limit: int) -> Sequence[Team]:
        values = {"tenant_id": tenant_id, "after": after, "limit": limit}
        return [_team(row) for row in await self._fetch("list_teams", values)]

    async def _fetch(self, query: str, values: Mapping[str, Any]) -> Sequence[DictRow]:
        async def fetch(connection: AsyncConnection) -> Sequence[DictRow]:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(self._queries[query], values)).fetchall()

        return await self._database.run(fetch)


def _record(row: DictRow) -> KeyRecord:
    budget, team_id = row["budget_pico"], row["team_id"]
    return KeyRecord(
        id=row["id"],
        user_id=str(row["user_id"]),
        user_name=row["user_name"],
        tenant_id=str(row["tenant_id"]),
        tenant_name=row["tenant_name"],
        roles=tuple(row["roles"]),
        scopes=tuple(row["scopes"]),
        team_id=None if team_id is None else str(team_id),
        team_name=row["team_name"],
        name=row["name"],
        budget_pico=None if budget is None else int(budget),
        discount_basis_points=row.get("discount_basis_points", 0),
        secret_hmac=bytes(row["secret_hmac"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _team(row: DictRow) -> Team:
    return Team(id=str(row["id"]), name=row["name"], created_at=row["created_at"])
