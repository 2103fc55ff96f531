"""Conversations end by policy: first they are deleted, and when the days of grace are over they are gone."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from models.conversations.store import Policy
from models.store import Database, load_queries

EXPIRED_AT_ONCE = 500
PURGED_MESSAGES = 5_000
"""What one statement deletes for good, give or take a conversation."""
MAX_ROUNDS = 200
"""Of one run: the rest waits for the next."""


class Retention:
    """`run_once` is a job that any number of processes may run."""

    def __init__(self, database: Database, *, grace_days: int = Policy().grace_days) -> None:
        """`grace_days` is for tenants without a policy."""
        self._database = database
        self._grace_days = grace_days
        self._queries = load_queries("conversations")

    async def run_once(self) -> None:
        await self._until_nothing("expire", {"limit": EXPIRED_AT_ONCE})
        await self._until_nothing("purge", {"grace_days": self._grace_days, "messages": PURGED_MESSAGES})

    async def _until_nothing(self, query: str, values: Mapping[str, Any]) -> None:
        async def execute(connection: AsyncConnection) -> int:
            return (await connection.execute(self._queries[query], values)).rowcount

        for _ in range(MAX_ROUNDS):
            if not await self._database.run(execute):
                return
