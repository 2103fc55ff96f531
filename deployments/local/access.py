"""What a database needs before the gateway uses it, and the API keys in it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.local.home import Home
from deployments.local.postgres import Postgres
from models.identity import ADMIN, KeyRecord, KeyRing, PostgresKeyStore, ensure_pepper
from models.money import pico, usd_text
from models.store import Database, migrate

_PAGE = 1_000


async def prepare_database(url: str, home: Home) -> None:
    """The newest schema, and an admin key in the home."""
    await migrate(url)
    async with _key_ring(url, home) as ring:
        await ring.ensure_admin(home.admin_key)


def database_url(home: Home) -> str:
    """The database in use: the one in the environment, or the embedded one of this home."""
    given = os.environ.get("POLYVOX_DATABASE_URL")
    return given or Postgres(home, int(home.read("ports.json").get("postgres", 0)), None).url


@asynccontextmanager
async def _key_ring(url: str, home: Home) -> AsyncIterator[KeyRing]:
    database = Database(url, max_size=1)
    try:
        yield KeyRing(PostgresKeyStore(database), ensure_pepper(home.pepper))
    finally:
        await database.close()


async def create(
    home: Home,
    *,
    user: str,
    team: str | None,
    budget_usd: str | None,
    expires_days: int | None,
    name: str,
    admin: bool,
) -> dict[str, Any]:
    """The new key's public fields and, this once, the key. Raises ValueError for a wrong budget."""
    budget = None if budget_usd is None else _budget(budget_usd)
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    async with _key_ring(database_url(home), home) as ring:
        issued = await ring.create_key(
            user,
            team=team,
            name=name,
            roles=[ADMIN] if admin else [],
            budget_pico=budget,
            expires_at=expires_at,
        )
    return {**_public(issued.record), "key": issued.key}


def _budget(text: str) -> int:
    try:
        budget = pico(text)
    except ArithmeticError:
        raise ValueError(f"{text!r} is not an amount of USD") from None
    if budget < 0:
        raise ValueError("a budget is not negative")
    return budget


async def listing(home: Home, *, user: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with _key_ring(database_url(home), home) as ring:
        after = ""
        while page := await ring.list_keys(user=user, after=after, limit=_PAGE):
            found.extend(_public(record) for record in page)
            after = page[-1].id
    return found


async def revoke(home: Home, key_id: str) -> bool:
    async with _key_ring(database_url(home), home) as ring:
        return await ring.revoke_key(key_id)


def _public(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "user": record.user_name,
        "team": record.team_name,
        "tenant": record.tenant_name,
        "name": record.name,
        "roles": list(record.roles),
        "budget_usd": None if record.budget_pico is None else usd_text(record.budget_pico),
        "created_at": record.created_at.isoformat(),
        "expires_at": _moment(record.expires_at),
        "revoked_at": _moment(record.revoked_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
