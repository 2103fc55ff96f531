"""Whether the ledger is in order: plain queries, each of which names the rows that break one rule."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from models.reconcile.record import PLATFORM
from models.store import Database, load_queries

RULES: Mapping[str, str] = MappingProxyType(
    {
        "unbalanced_in_all": "all debits equal all credits",
        "unbalanced": "the debits of a transfer equal its credits",
        "entries_of_nothing": "an entry belongs to a transfer",
        "amounts": "a transfer's entries move its amount",
        "pending": "an account's pending is the sum of its open holds",
        "posted": "an account's posted is its opening and what transfers posted to it",
        "resolutions": "a reservation is open or resolved, and once",
        "resolutions_of_nothing": "what resolves or adjusts a reservation names one",
        "holds_of_nothing": "an open hold is of its reservation's amount",
        "charges": "what was charged for a call is what its record says",
        "counted": "what a call counts against budgets is what it is charged, or what its record says",
        "stale_holds": "no hold outlives its lease by a minute",
    }
)
"""By the name of the query."""


class Finding(Struct, frozen=True):
    rule: str
    """Name of the rule that is broken."""
    row: str
    """Which row breaks it."""
    detail: str

    def __str__(self) -> str:
        return f"{self.row}: {self.detail} ({RULES[self.rule]})"


async def verify(database: Database, *, limit: int = 100) -> list[Finding]:
    """Everything that is wrong, up to `limit` rows for each rule; empty if all is in order.

    Each rule is judged on one snapshot, so calls may go on meanwhile. Raises Overloaded if a query takes
    longer than the statements of `database` may.
    """
    found: list[Finding] = []
    for rule in RULES:
        found += [Finding(rule, row, detail) for row, detail in await _broken(database, rule, limit)]
    return found


async def _broken(database: Database, rule: str, limit: int) -> Sequence[tuple[Any, ...]]:
    query, values = load_queries("verify")[rule], {"limit": limit, "platform": PLATFORM}

    async def fetch(connection: AsyncConnection) -> Sequence[tuple[Any, ...]]:
        return await (await connection.execute(query, values)).fetchall()

    return await database.run(fetch)
