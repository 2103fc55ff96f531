"""The response cache over a real Redis, and what its hits are in the ledger."""

import asyncio
from pathlib import Path

from psycopg import AsyncConnection

from deployments.local.keeper import Keeper
from deployments.response_cache import RedisCache
from models.ledger import PostgresLedgerStore
from models.reconcile.trial_balance import verify
from models.response_cache import HITS
from models.store import Database, SingleConnection
from tests.ledger_samples import record
from tests.services.conftest import url_of_valkey

HIT = record(cost_pico=0, saved_pico=300, input_tokens=0, output_tokens=0, usage_details={HITS: 1})


async def test_what_was_put_is_found_until_its_time_is_up(valkey: Keeper) -> None:
    cache = RedisCache(url_of_valkey(valkey))
    await cache.put("model:response:a", b"\0answer", ttl_s=1)
    assert await cache.get("model:response:a") == b"\0answer"
    assert await cache.get("model:response:b") is None
    async with asyncio.timeout(10):
        while await cache.get("model:response:a") is not None:
            await asyncio.sleep(0.05)
    await cache.close()


async def test_a_redis_that_is_away_finds_nothing_and_raises_nothing(tmp_path: Path) -> None:
    cache = RedisCache(f"unix://{tmp_path}/redis.sock")
    async with asyncio.timeout(1):
        for _ in range(100):
            await cache.put("k", b"v", ttl_s=60)
            assert await cache.get("k") is None
    await cache.close()


async def test_a_hit_is_a_row_without_a_charge_that_shows_what_it_saved(database: Database, url: str) -> None:
    connection = SingleConnection(url, application_name="test")
    store = PostgresLedgerStore(connection)
    for _ in range(2):
        await store.apply([HIT], [])
    await connection.close()
    assert await verify(database) == []
    rows = await database.run(_usage)
    assert rows == [("completed", 0, 300, 0, {HITS: 1})]


async def _usage(connection: AsyncConnection) -> list[tuple[object, ...]]:
    cursor = await connection.execute(
        "SELECT status, cost_pico::bigint, saved_pico::bigint, (SELECT count(*) FROM transfers), "
        "usage_details FROM model_usage"
    )
    return list(await cursor.fetchall())
