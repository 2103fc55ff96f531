"""Calls that cost money, told to a real ledger."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import asdict
from psycopg import AsyncConnection

from models.identity import KeyRing, PostgresKeyStore
from models.ledger import Ask, Grant, PostgresLedgerStore, UsageRecord, op_key
from models.ledger.budget import Owners
from models.store import Database


@dataclass
class Spender:
    """Calls of one owner; `at` is when they began."""

    ledger: PostgresLedgerStore
    owners: Owners

    async def reserve(self, name: str, amount: int) -> Grant:
        asked = Ask(
            op_key=op_key(name, 0),
            **asdict(self.owners),
            least_pico=amount,
            usual_pico=amount,
            most_pico=amount,
            record=self.record(name, amount, status="expired", estimated=True),
        )
        (grant,) = await self.ledger.apply([], [asked])
        return grant

    async def tell(self, name: str, cost: int, **changes: Any) -> None:
        await self.ledger.apply([self.record(name, cost, **changes)], [])

    def record(self, name: str, cost: int, **changes: Any) -> UsageRecord:
        fields: dict[str, Any] = {
            **asdict(self.owners),
            "request_id": name,
            "attempt": 0,
            "model_id": "m",
            "requested_model": "auto",
            "provider": "p",
            "endpoint": "/v1/chat/completions",
            "stream": False,
            "status": "completed",
            "input_tokens": 1,
            "cache_read_tokens": 0,
            "cache_write_5m_tokens": 0,
            "cache_write_1h_tokens": 0,
            "output_tokens": 1,
            "reasoning_tokens": 0,
            "service_tier": "standard",
            "cost_pico": cost,
            "discount_pico": 0,
            "saved_pico": 0,
            "price_snapshot": "s",
            "estimated": False,
            "response_time_ms": 1,
            "created_at": datetime.now(UTC),
        }
        return UsageRecord(**{**fields, **changes})


async def spender(
    database: Database, user: str = "ann", *, tenant: str = "acme", conversation_id: str | None = "a chat"
) -> Spender:
    key = (
        await KeyRing(PostgresKeyStore(database), bytes(32)).create_key(user, tenant=tenant, team="search")
    ).record
    owners = Owners(
        tenant_id=key.tenant_id,
        team_id=key.team_id,
        user_id=key.user_id,
        key_id=key.id,
        conversation_id=conversation_id,
    )
    return Spender(PostgresLedgerStore(database), owners)


async def fetch(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    async def run(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        return await (await connection.execute(query.encode(), values)).fetchall()

    return await database.run(run)


UNBALANCED = """
SELECT 'posted', a.id FROM accounts AS a WHERE a.posted_pico <> a.opening_pico + (
    SELECT coalesce(sum(t.posted_pico), 0) FROM transfers AS t WHERE a.id = ANY (t.account_ids)
)
UNION ALL
SELECT 'pending', a.id FROM accounts AS a WHERE a.pending_pico <> (
    SELECT coalesce(sum(h.amount_pico), 0) FROM holds AS h WHERE a.id = ANY (h.account_ids)
)
UNION ALL
SELECT 'entries', transfer_id FROM entries GROUP BY transfer_id HAVING sum(debit_pico) <> sum(credit_pico)
"""
"""What must never be: rows where accounts, journal and holds say different things."""
