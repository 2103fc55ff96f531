"""Budgets in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

import msgspec
from psycopg import AsyncConnection

from models.ledger.budget import Budget, Change, NewBudget, Owners, Scope
from models.ledger.budget_status import Standing, Window
from models.store import Database, load_queries

_budget = msgspec.json.Decoder(Budget).decode
_standing = msgspec.json.Decoder(Standing).decode
_window = msgspec.json.Decoder(Window).decode


class PostgresBudgetStore:
    """What changes a budget waits for the ledger's batches under way, and the next ones wait for it.

    So no call is counted twice or not at all, whichever side of the change it falls on.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("budgets")

    async def add(self, budget: NewBudget) -> Budget:
        values = msgspec.structs.asdict(budget)
        values |= {
            f"of_{scope}": budget.owner if scope == budget.scope else None for scope in get_args(Scope)
        }

        async def insert(connection: AsyncConnection) -> None:
            async with connection.transaction():
                await connection.execute(self._queries["lock"])
                if (await connection.execute(self._queries["add"], values)).rowcount:
                    await connection.execute(self._queries["open_accounts"], values)

        await self._database.run(insert)
        return _budget((await self._texts("find", values))[0])

    async def change(self, tenant_id: str, budget_id: str, change: Change) -> Budget | None:
        values = msgspec.structs.asdict(change)
        return await self._alter("change", {**values, "tenant_id": tenant_id, "id": budget_id})

    async def end(self, tenant_id: str, budget_id: str) -> Budget | None:
        return await self._alter("end", {"tenant_id": tenant_id, "id": budget_id})

    async def standing(self, tenant_id: str, budget_id: str) -> Standing | None:
        texts = await self._texts("standing", {"tenant_id": tenant_id, "id": budget_id})
        return _standing(texts[0]) if texts else None

    async def applying(self, owners: Owners) -> Sequence[Standing]:
        return [_standing(text) for text in await self._texts("applying", msgspec.structs.asdict(owners))]

    async def page(
        self, tenant_id: str, *, scope: Scope | None, owner: str | None, ended: bool, after: str, limit: int
    ) -> Sequence[Budget]:
        values = {"tenant_id": tenant_id, "scope": scope, "owner": owner, "ended": ended, "limit": limit}
        return [_budget(text) for text in await self._texts("page", {**values, "after": after or None})]

    async def windows(
        self, tenant_id: str, budget_id: str, *, since: datetime | None, until: datetime | None, limit: int
    ) -> Sequence[Window]:
        span = {"since": since or "-infinity", "until": until or "infinity", "limit": limit}
        values = {"tenant_id": tenant_id, "id": budget_id, **span}
        return [_window(text) for text in await self._texts("windows", values)]

    async def _alter(self, query: str, values: Mapping[str, Any]) -> Budget | None:
        async def alter(connection: AsyncConnection) -> str | None:
            async with connection.transaction():
                await connection.execute(self._queries["lock"])
                row = await (await connection.execute(self._queries[query], values)).fetchone()
                if row is None:
                    return None
                await connection.execute(self._queries["limit_accounts"], values)
                return str(row[0])

        text = await self._database.run(alter)
        return None if text is None else _budget(text)

    async def _texts(self, query: str, values: Mapping[str, Any]) -> list[str]:
        async def fetch(connection: AsyncConnection) -> list[str]:
            rows = await connection.execute(self._queries[query], values)
            return [text for (text,) in await rows.fetchall()]

        return await self._database.run(fetch)
