"""The response cache over a real Redis: what it finds, what is void, and what happens while Redis is away."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection
from redis.asyncio import Redis

from deployments.local.keeper import Keeper
from deployments.response_cache import MAX_MARKS, CacheNews, RedisCache
from models.caching.invalidation import Invalidation, is_void
from models.errors import Overloaded
from models.ledger import PostgresLedgerStore
from models.reconcile.trial_balance import verify
from models.response_cache import HITS
from models.store import Database, SingleConnection
from tests.ledger_samples import record
from tests.services.conftest import url_of_valkey

HIT = record(cost_pico=0, saved_pico=300, input_tokens=0, output_tokens=0, usage_details={HITS: 1})
MakeCache = Callable[[], RedisCache]


@pytest.fixture
async def cache(valkey: Keeper) -> AsyncIterator[MakeCache]:
    made: list[RedisCache] = []

    def make() -> RedisCache:
        made.append(RedisCache(url_of_valkey(valkey)))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def found(cache: RedisCache, key: str, *, tenant: str = "t") -> bytes | None:
    """Asked for until it could be asked: a busy machine may be late."""
    async with asyncio.timeout(20):
        while (answer := await cache.get(key, tenant_id=tenant)).at is None:
            await asyncio.sleep(0.01)
    return answer.value


async def put(cache: RedisCache, key: str, value: bytes, *, ttl_s: int = 60) -> None:
    async with asyncio.timeout(20):
        while True:
            await cache.put(key, value, ttl_s=ttl_s)
            if await found(cache, key) == value:
                return


async def test_what_was_put_is_found_until_its_time_is_up(cache: MakeCache) -> None:
    one, other = cache(), cache()
    await put(one, "model:response:a", b"\0answer", ttl_s=2)
    assert await found(other, "model:response:a") == b"\0answer"
    assert await found(other, "model:response:b") is None
    async with asyncio.timeout(10):
        while await found(other, "model:response:a") is not None:
            await asyncio.sleep(0.05)


async def test_many_at_once_find_each_its_own(cache: MakeCache) -> None:
    one = cache()
    await put(one, "k0", b"v0")
    await asyncio.gather(*(one.put(f"k{n}", b"v%d" % n, ttl_s=60) for n in range(300)))
    answers = await asyncio.gather(*(one.get(f"k{n}", tenant_id=f"t{n % 7}") for n in range(300)))
    told = {n: answer.value for n, answer in enumerate(answers) if answer.value is not None}
    assert told
    assert all(value == b"v%d" % n for n, value in told.items())


async def test_an_invalidation_is_of_what_was_asked_for_before_it(cache: MakeCache) -> None:
    one, other = cache(), cache()
    await found(one, "k")
    before = await one.get("k", tenant_id="t")
    for what in (
        Invalidation("t", user_id="ann"),
        Invalidation("t", model_id="gpt"),
        Invalidation("elsewhere"),
    ):
        await other.invalidate(what)
    await found(one, "k")
    after = await one.get("k", tenant_id="t")
    assert before.at is not None
    assert after.at is not None
    assert (before.marks, set(after.marks)) == ({}, {"user:ann", "model:gpt"})

    def void(user: str, model: str, asked_at: int) -> bool:
        return is_void(after.marks, user_id=user, model_id=model, asked_at=asked_at)

    assert [void("ann", "claude", before.at), void("bob", "gpt", before.at)] == [True, True]
    assert not void("bob", "claude", before.at)
    assert not void("ann", "gpt", after.at)


async def test_of_too_many_invalidations_one_of_everything_is_left(cache: MakeCache, valkey: Keeper) -> None:
    one = cache()
    async with Redis.from_url(url_of_valkey(valkey)) as redis:
        noted: dict[Any, Any] = {f"user:{n}": 1 for n in range(MAX_MARKS)}
        await redis.hset("model:response:void:t", mapping=noted)
        await one.invalidate(Invalidation("t", user_id="ann"))
        marks = await redis.hgetall("model:response:void:t")
    assert list(marks) == [b"all"]
    assert is_void({"all": int(marks[b"all"])}, user_id="x", model_id="y", asked_at=1)


async def test_replicas_hear_of_invalidations_and_of_having_missed_some(
    cache: MakeCache, valkey: Keeper
) -> None:
    heard: list[Invalidation] = []
    missed: list[None] = []
    news = CacheNews(url_of_valkey(valkey), heard=heard.append, missed=lambda: missed.append(None))
    listening = asyncio.create_task(news.run_once())
    async with asyncio.timeout(20):
        while not missed:
            await asyncio.sleep(0.01)
        await cache().invalidate(Invalidation("t", user_id="ann"))
        while not heard:
            await asyncio.sleep(0.01)
    assert heard == [Invalidation("t", user_id="ann")]
    await valkey.stop()
    async with asyncio.timeout(20):
        await listening
        await valkey.start()
        again = asyncio.create_task(news.run_once())
        while len(missed) < 2:
            await asyncio.sleep(0.01)
    again.cancel()
    await asyncio.wait([again])
    await news.close()


async def test_a_redis_that_is_away_finds_nothing_raises_nothing_and_notes_nothing(tmp_path: Path) -> None:
    cache = RedisCache(f"unix://{tmp_path}/redis.sock")
    async with asyncio.timeout(5):
        for _ in range(1_000):
            await cache.put("k", b"v", ttl_s=60)
            assert (await cache.get("k", tenant_id="t")).value is None
        assert cache.is_away
        with pytest.raises(Overloaded):
            await cache.invalidate(Invalidation("t"))
    await cache.close()


async def test_a_redis_that_is_full_is_not_away(cache: MakeCache, valkey: Keeper) -> None:
    one = cache()
    await put(one, "k", b"v")
    async with Redis.from_url(url_of_valkey(valkey)) as redis:
        await redis.config_set("maxmemory", "1mb")
        for n in range(20):
            await one.put(f"big{n}", bytes(200_000), ttl_s=60)
        assert not one.is_away
        await redis.config_set("maxmemory", "0")
    assert await found(one, "k") == b"v"


async def drive(caches: list[RedisCache], *, until: asyncio.Event) -> list[float]:
    """Requests one after another; how long each waited for the cache, in seconds."""
    took: list[float] = []
    puts: set[asyncio.Task[None]] = set()
    while not until.is_set():
        one, key = caches[len(took) % len(caches)], f"k{len(took) % 50}"
        at = time.perf_counter()
        await one.get(key, tenant_id="t")
        took.append(time.perf_counter() - at)
        if len(took) % 5 == 0:
            aside = asyncio.create_task(one.put(key, b"v", ttl_s=60))
            puts.add(aside)
            aside.add_done_callback(puts.discard)
        await asyncio.sleep(0.002)
    await asyncio.gather(*puts)
    return took


@pytest.mark.parametrize("fault", ["killed", "flushed", "hanging"])
async def test_p14_p15_a_redis_that_is_away_costs_a_moment_and_no_request(
    valkey: Keeper, cache: MakeCache, fault: str
) -> None:
    caches = [cache(), cache()]
    for one in caches:
        await found(one, "k")
    over = asyncio.Event()
    driving = asyncio.create_task(drive(caches, until=over))
    await asyncio.sleep(0.3)
    assert valkey.pid is not None
    match fault:
        case "killed":
            os.kill(valkey.pid, signal.SIGKILL)
            await asyncio.sleep(1.0)
            await valkey.start()
        case "hanging":
            os.kill(valkey.pid, signal.SIGSTOP)
            await asyncio.sleep(0.25)
            assert all(one.is_away for one in caches)
            await asyncio.sleep(1.25)
            os.kill(valkey.pid, signal.SIGCONT)
        case _:
            async with Redis.from_url(url_of_valkey(valkey)) as redis:
                for _ in range(5):
                    await redis.flushall()
                    await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        while any(one.is_away for one in caches):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    over.set()
    took = sorted(await driving)
    assert len(took) > 200
    assert took[int(len(took) * 0.98)] < 0.025, "the machine is shared: the last two in a hundred are its own"
    assert took[-1] < 1
    assert await found(caches[0], "nothing") is None


async def test_p16_nobody_gets_what_was_for_somebody_who_left(cache: MakeCache) -> None:
    caches = [cache() for _ in range(4)]
    for one in caches:
        await found(one, "k")
    dice = random.Random(16)  # noqa: S311 - who leaves, and when
    foreign: list[tuple[str, bytes]] = []
    seen = left = 0

    async def user(name: str, one: RedisCache) -> None:
        nonlocal seen
        await one.put(f"of {name}", name.encode(), ttl_s=60)
        value = (await one.get(f"of {name}", tenant_id=name)).value
        if value is not None:
            seen += 1
            if value != name.encode():
                foreign.append((name, value))

    for round_ in range(250):
        tasks = [asyncio.create_task(user(f"u{n}", caches[n % 4])) for n in range(round_ % 7, 40)]
        while left < 20 * (round_ + 1):
            for _ in range(dice.randint(0, 3)):
                await asyncio.sleep(0)
            dice.choice(tasks).cancel()
            left += 1
        await asyncio.gather(*tasks, return_exceptions=True)
    assert (left, foreign) == (5_000, [])
    assert seen > 1_000


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
