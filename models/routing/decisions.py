"""What was decided for each request, kept so that it can be explained and learned from."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from models.routing.plan import Plan
from models.store import Database, load_queries

KEPT_FOR = timedelta(days=90)


class Decision(Struct, frozen=True, kw_only=True):
    tenant_id: str
    request_id: str
    user_id: str | None = None
    key_id: str | None = None
    conversation_id: str | None = None
    plan: Plan
    created_at: datetime


class Decisions(Protocol):
    async def write(self, decisions: Sequence[Decision]) -> None:
        """Told again it changes nothing. Raises Overloaded if the store is away."""

    async def find(self, tenant_id: str, request_id: str, *, user_id: str | None) -> Plan | None: ...


class PostgresDecisions:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("routing")

    async def write(self, decisions: Sequence[Decision]) -> None:
        rows = [_row(decision) for decision in decisions if decision.plan.candidates]
        values = {"decisions": msgspec.json.encode(rows).decode()}

        async def insert(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["note_decisions"], values)

        await self._database.run(insert)

    async def find(self, tenant_id: str, request_id: str, *, user_id: str | None) -> Plan | None:
        values = {"tenant_id": tenant_id, "request_id": request_id, "user_id": user_id}

        async def fetch(connection: AsyncConnection) -> str | None:
            row = await (await connection.execute(self._queries["decision"], values)).fetchone()
            return None if row is None else str(row[0])

        found = await self._database.run(fetch)
        return None if found is None else msgspec.json.decode(found, type=Plan)

    async def forget(self, before: datetime) -> None:
        async def delete(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["forget_decisions"], {"before": before})

        await self._database.run(delete)


class InMemoryDecisions:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Decision] = {}

    async def write(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            self.kept.setdefault((decision.tenant_id, decision.request_id), decision)

    async def find(self, tenant_id: str, request_id: str, *, user_id: str | None) -> Plan | None:
        found = self.kept.get((tenant_id, request_id))
        return found.plan if found is not None and user_id in (None, found.user_id) else None


def _row(decision: Decision) -> dict[str, Any]:
    plan, first = decision.plan, decision.plan.candidates[0]
    return {
        "tenant_id": decision.tenant_id,
        "request_id": decision.request_id,
        "user_id": decision.user_id,
        "key_id": decision.key_id,
        "conversation_id": decision.conversation_id,
        "mode": plan.mode,
        "task": plan.task,
        "task_confidence": plan.task_confidence,
        "difficulty": plan.difficulty,
        "model_id": first.model_id,
        "propensity": min(1.0, max(0.0, first.propensity)),
        "explored": plan.explored,
        "plan": plan,
        "created_at": decision.created_at,
    }
