"""Budgets in PostgreSQL."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, get_args

import msgspec
from psycopg import AsyncConnection

from models.ledger.budget import Budget, Change, NewBudget, Owners, Scope
from models.ledger.budget_status import Standing, Window
from models.store import Database, load_queries

T = TypeVar("T")

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
        """What old calls have cost is summed up beforehand, so that nobody has to wait for that."""
        values = msgspec.structs.asdict(budget)
        values |= {
            f"of_{scope}": budget.owner if scope == budget.scope else None for scope in get_args(Scope)
        }
        mark, old = await self._locked(self._mark)
        past = await self._database.run(lambda c: self._spent(c, values, None, old))

        async def insert(connection: AsyncConnection) -> None:
            if not (await connection.execute(self._queries["add"], values)).rowcount:
                return
            if await self._past_has_changed(connection, mark, old):
                spent = await self._spent(connection, values, None, None)
            else:
                spent = [*past, *await self._spent(connection, values, old, None)]
            windows = {"starts": [start for start, _ in spent], "spent": [pico for _, pico in spent]}
            await connection.execute(self._queries["open_accounts"], values | windows)

        await self._locked(insert)
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
        async def alter(connection: AsyncConnection) -> Budget | None:
            row = await (await connection.execute(self._queries[query], values)).fetchone()
            if row is None:
                return None
            await connection.execute(self._queries["limit_accounts"], values)
            return _budget(row[0])

        return await self._locked(alter)

    async def _mark(self, connection: AsyncConnection) -> tuple[int, datetime]:
        row = await (await connection.execute(self._queries["mark"])).fetchone()
        assert row is not None
        return row[0], row[1]

    async def _spent(
        self,
        connection: AsyncConnection,
        whose: Mapping[str, Any],
        began_from: datetime | None,
        began_before: datetime | None,
    ) -> list[tuple[datetime, str]]:
        span = {"began_from": began_from or "-infinity", "began_before": began_before or "infinity"}
        return await (await connection.execute(self._queries["spent"], {**whose, **span})).fetchall()

    async def _past_has_changed(self, connection: AsyncConnection, mark: int, old: datetime) -> bool:
        values = {"mark": mark, "old": old}
        row = await (await connection.execute(self._queries["past_has_changed"], values)).fetchone()
        assert row is not None
        return bool(row[0])

    async def _locked(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """One transaction that has the ledger to itself."""

        async def run(connection: AsyncConnection) -> T:
            async with connection.transaction():
                await connection.execute(self._queries["be_brief"])
                await connection.execute(self._queries["lock"])
                return await operation(connection)

        return await self._database.run(run)

    async def _texts(self, query: str, values: Mapping[str, Any]) -> list[str]:
        async def fetch(connection: AsyncConnection) -> list[str]:
            rows = await connection.execute(self._queries[query], values)
            return [text for (text,) in await rows.fetchall()]

        return await self._database.run(fetch)
