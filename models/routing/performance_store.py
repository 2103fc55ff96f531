"""`model_performance` in PostgreSQL: how models did, a row a minute; and how long their answers are."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from psycopg import AsyncConnection

from models.routing.expectation import OWN_LENGTHS, Performance
from models.routing.performance import Measured
from models.store import Database, load_queries


class PostgresPerformance:
    """Each method raises Overloaded if the store is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("routing")

    async def keep(self, measured: Iterable[Measured]) -> None:
        """Of this minute; what another replica has kept of it stands."""
        rows = [_row(one) for one in measured if one.calls >= 1]
        if rows:
            await self._run("keep_performance", {"rows": msgspec.json.encode(rows).decode()})

    async def last(self) -> dict[str, Performance]:
        """What was known of each model in the last day."""
        return {
            model_id: Performance(first_token_ms=first or 1_000.0, tokens_per_s=speed or 60.0)
            for model_id, first, _, speed in await self._fetch("last_performance")
        }

    async def answer_lengths(self) -> "AnswerLengths":
        found = await self._fetch("answer_lengths")
        return AnswerLengths({(model, task): (calls, mean) for task, model, calls, mean in found})

    async def _run(self, query: str, values: Mapping[str, Any]) -> None:
        async def execute(connection: AsyncConnection) -> None:
            await connection.execute(self._queries[query], values)

        await self._database.run(execute)

    async def _fetch(self, query: str) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            return await (await connection.execute(self._queries[query])).fetchall()

        return await self._database.run(fetch)


class AnswerLengths:
    """By model and task: of how many answers, and their mean; little known, it is mostly as assumed."""

    def __init__(self, known: Mapping[tuple[str, str], tuple[int, float]]) -> None:
        self._known = known

    def tokens(self, model_id: str, task: str, *, assumed: float) -> float:
        calls, mean = self._known.get((model_id, task), (0, 0.0))
        return (assumed * OWN_LENGTHS + mean * calls) / (OWN_LENGTHS + calls)


def _row(one: Measured) -> dict[str, Any]:
    return {
        "model_id": one.model_id,
        "avg_response_time_ms": round(one.response_ms),
        "availability_percentage": round(100 * one.availability, 2),
        "error_rate": round(one.error_rate, 4),
        "first_token_ms": one.first_token_ms,
        "first_token_p95_ms": one.first_token_p95_ms,
        "tokens_per_s": one.tokens_per_s,
        "calls": one.calls,
    }
