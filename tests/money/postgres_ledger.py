"""The ledger in PostgreSQL, as seen from outside. The time that passes there is taken off the leases."""

import json
from collections.abc import Sequence

from psycopg import AsyncConnection

from models.ledger import Ask, Grant, PostgresLedgerStore, UsageRecord
from models.store import Database
from tests.money.ledger_model import LEASE_S, Kind, Limit, Picture

_BEGIN = b"INSERT INTO tenants (id, name) VALUES (%(tenant)s::uuid, %(tenant)s::text)"
_ADD_BUDGET = b"""
    INSERT INTO budgets (tenant_id, scope, owner, period, limit_pico)
    VALUES (%(tenant)s, %(scope)s, %(owner)s, 'total', %(pico)s)
    RETURNING id::text
"""
_PAUSE = b"""
    UPDATE holds SET lease_until = lease_until - %(seconds)s * interval '1 second'
    WHERE tenant_id = %(tenant)s
"""
_PICTURE = b"""
    SELECT json_build_object(
        'balances', (
            SELECT json_object_agg(b.id, json_build_array(a.posted_pico, a.pending_pico))
            FROM budgets AS b JOIN accounts AS a ON a.budget_id = b.id
            WHERE b.tenant_id = %(tenant)s
        ),
        'holds', (SELECT json_object_agg(op_key, amount_pico) FROM holds WHERE tenant_id = %(tenant)s),
        'moves', (
            SELECT json_object_agg(m.call, m.moves) FROM (
                SELECT
                    split_part(op_key, ':', 1) AS call,
                    json_agg(json_build_array(kind, amount_pico) ORDER BY id) AS moves
                FROM transfers WHERE tenant_id = %(tenant)s
                GROUP BY 1
            ) AS m
        ),
        'accounts', (
            SELECT json_object_agg(s.account, s.pico) FROM (
                SELECT e.account, sum(e.debit_pico - e.credit_pico) AS pico
                FROM transfers AS t JOIN entries AS e ON e.transfer_id = t.id
                WHERE t.tenant_id = %(tenant)s
                GROUP BY e.account
            ) AS s
            WHERE s.pico <> 0
        ),
        'usage', (
            SELECT json_object_agg(
                request_id || '/' || attempt, json_build_array(status, cost_pico, discount_pico)
            )
            FROM model_usage WHERE tenant_id = %(tenant)s
        )
    )::text
"""


class PostgresUnderTest:
    """A tenant of its own in the database, with these budgets."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._store = PostgresLedgerStore(database, lease_s=LEASE_S)
        self._tenant = tenant
        self._budgets: list[str] = []

    async def begin(self, limits: Sequence[Limit]) -> None:
        async def insert(connection: AsyncConnection) -> list[str]:
            await connection.execute(_BEGIN, {"tenant": self._tenant})
            ids = []
            for limit in limits:
                values = {"scope": limit.scope, "owner": limit.owner, "pico": limit.pico}
                rows = await connection.execute(_ADD_BUDGET, values | {"tenant": self._tenant})
                ids += [row[0] for row in await rows.fetchall()]
            return ids

        self._budgets = await self._database.run(insert)

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        return await self._store.apply(records, asks)

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        await self._store.renew(records)

    async def lapsed(self) -> list[UsageRecord]:
        found = await self._store.expired(limit=100_000)
        return [record for record in found if record.tenant_id == self._tenant]

    async def pause(self, seconds: float) -> None:
        async def update(connection: AsyncConnection) -> None:
            await connection.execute(_PAUSE, {"tenant": self._tenant, "seconds": seconds})

        await self._database.run(update)

    async def picture(self) -> Picture:
        async def fetch(connection: AsyncConnection) -> str:
            row = await (await connection.execute(_PICTURE, {"tenant": self._tenant})).fetchone()
            assert row is not None
            text: str = row[0]
            return text

        seen = json.loads(await self._database.run(fetch))
        balances = seen["balances"] or {}
        return Picture(
            balances=tuple(_pair(balances.get(budget, (0, 0))) for budget in self._budgets),
            holds=seen["holds"] or {},
            moves={call: tuple(map(_move, moves)) for call, moves in (seen["moves"] or {}).items()},
            accounts=seen["accounts"] or {},
            usage={call: (s, cost, discount) for call, (s, cost, discount) in (seen["usage"] or {}).items()},
        )


def _pair(numbers: Sequence[int]) -> tuple[int, int]:
    return numbers[0], numbers[1]


def _move(move: tuple[Kind, int]) -> tuple[Kind, int]:
    return move[0], move[1]
