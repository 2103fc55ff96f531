"""Limits over a real Redis and PostgreSQL: exact across replicas, and nothing refused when Redis is away."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from deployments.limits import DEADLINE_S, RedisCounters, SharedHeadroom
from deployments.local.keeper import Keeper
from models.identity import KeyRing, PostgresKeyStore
from models.limits import Headroom, InMemoryCounters, Limit, PostgresLimits
from models.limits.counters import Ask, Hold
from models.limits.holdings import REFUSED_S
from models.limits.limit import Measure
from models.store import Database
from tests.services.conftest import url_of_valkey
from tests.services.limits_client import Outcome, Replica, Task

ROOT = Path(__file__).parents[2]
MakeReplica = Callable[..., Replica]


def limit(amount: int, measure: Measure = "requests", *, burst: int | None = None) -> Limit:
    return Limit(
        id="l",
        tenant_id="acme",
        scope="tenant",
        owner="acme",
        measure=measure,
        amount=amount,
        burst=burst or amount,
    )


@pytest.fixture
async def replica(valkey: Keeper) -> AsyncIterator[MakeReplica]:
    made: list[Replica] = []

    def make(limits: list[Limit], deadline_s: float = 30.0) -> Replica:
        made.append(Replica(url_of_valkey(valkey), limits, name=f"r{len(made)}", deadline_s=deadline_s))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def run(task: Task, *, processes: int) -> list[Outcome]:
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.services.limits_client",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    outcomes = []
    async with asyncio.timeout(60):
        for process in running:
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(task) + b"\n")
        for process in running:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        for process in running:
            told, _ = await process.communicate()
            outcomes.append(msgspec.json.decode(told, type=Outcome))
    return outcomes


async def test_the_counters_in_redis_follow_the_rule(valkey: Keeper) -> None:
    shared = RedisCounters(url_of_valkey(valkey), replica="a", deadline_s=30)
    other = RedisCounters(url_of_valkey(valkey), replica="b", deadline_s=30)
    rule = InMemoryCounters(clock_us=lambda: 0.0)
    dice = random.Random(7)  # noqa: S311 - which cases come
    await shared.reach()
    await other.reach()
    for step in range(300):
        take = Ask(
            key=f"limits:rate:{step % 3}",
            interval_us=60e6,
            burst=40,
            credit=dice.choice([0, 0, 0, 3, -3, -100]),
            need=dice.randint(0, 5),
            sure=dice.randint(0, 9),
            want=dice.randint(0, 40),
        )
        kept = dice.randint(0, 4)
        places = Hold(key="limits:places", most=12, kept=kept, sure=kept + 1, want=kept + 3)
        me = dice.choice("ab")
        granted, held = await (shared if me == "a" else other).exchange([take, places])
        expected, places_held = rule.take(take), rule.hold(places, replica=me)
        assert (granted.granted, granted.remaining) == (expected.granted, expected.remaining)
        assert granted.retry_us == pytest.approx(expected.retry_us, abs=30e6)
        assert held == places_held
    await shared.close()
    await other.close()


async def test_four_processes_together_get_exactly_the_limit(valkey: Keeper) -> None:
    task = Task(url_of_valkey(valkey), [limit(1, burst=500)], 400)
    outcomes = await run(task, processes=4)
    assert sum(outcome.admitted for outcome in outcomes) == 500
    assert sum(outcome.refused for outcome in outcomes) == 1_100


async def test_four_replicas_together_get_exactly_the_tokens(replica: MakeReplica) -> None:
    replicas = [replica([limit(1, "output_tokens", burst=500_000)]) for _ in range(4)]
    asked = [replicas[n % 4].admit(output_tokens=1_000) for n in range(1_600)]
    admitted = [one for one in await asyncio.gather(*asked) if one is not None]
    assert len(admitted) == 500
    for one in admitted[:100]:
        one.settle(output_tokens=400)
    await asyncio.gather(*(one.admission.run_once() for one in replicas))
    await pass_time(REFUSED_S)
    again = [await replicas[n % 4].admit(output_tokens=1_000) for n in range(80)]
    assert sum(one is not None for one in again) == 60


async def test_with_leases_they_get_a_second_more_at_most(replica: MakeReplica) -> None:
    replicas = [replica([limit(12_000, burst=200)]) for _ in range(4)]
    began = time.monotonic()
    admitted = asked = 0
    while time.monotonic() < began + 2:
        found = await asyncio.gather(*(replicas[n % 4].admit() for n in range(20)))
        asked += len(found)
        admitted += sum(1 for one in found if one is not None)
        await pass_time(0.01)
    elapsed_s = time.monotonic() - began
    assert admitted <= 200 + 12_000 / 60 * (elapsed_s + 1)
    assert admitted >= min(asked, 200 + 12_000 / 60 * (elapsed_s - 1))


async def test_replicas_never_have_more_under_way_than_is_allowed(replica: MakeReplica) -> None:
    replicas = [replica([limit(10, "concurrent")]) for _ in range(4)]
    under_way = most = admitted = 0

    async def client(at: int) -> None:
        nonlocal under_way, most, admitted
        for _ in range(40):
            held = await replicas[at].admit()
            if held is not None:
                admitted += 1
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.001)
                under_way -= 1
                held.release()

    await asyncio.gather(*(client(n % 4) for n in range(32)))
    assert most == 10
    assert admitted > 300


async def test_the_places_of_a_replica_that_died_are_free_again(valkey: Keeper) -> None:
    dead = RedisCounters(url_of_valkey(valkey), replica="dead", places_s=0.2, deadline_s=30)
    alive = RedisCounters(url_of_valkey(valkey), replica="alive", places_s=0.2, deadline_s=30)
    await dead.reach()
    await dead.exchange([Hold(key="p", most=2, kept=0, sure=2, want=2)])
    want = Hold(key="p", most=2, kept=0, sure=2, want=2)
    assert (await alive.exchange([want]))[0].granted == 0
    async with asyncio.timeout(5):
        while (await alive.exchange([want]))[0].granted < 2:
            await asyncio.sleep(0.02)
    await dead.close()
    await alive.close()


async def test_replicas_know_how_many_they_are(valkey: Keeper) -> None:
    several = [RedisCounters(url_of_valkey(valkey), replica=str(n)) for n in range(3)]
    assert several[0].replicas > 1
    for one in (*several, *several):
        await one.run_once()
    assert [one.replicas for one in several] == [3, 3, 3]
    for one in several:
        await one.close()


async def drive(replicas: list[Replica], *, until: asyncio.Event) -> tuple[int, int, list[float]]:
    """Requests well within the limits, one after another; how many there were, were refused, and took."""
    made, refused, took = 0, 0, []
    while not until.is_set():
        at = time.perf_counter()
        held = await replicas[made % len(replicas)].admit()
        took.append(time.perf_counter() - at)
        made += 1
        refused += held is None
        if held is not None:
            held.settle()
        await asyncio.sleep(0.002)
        if made % 100 == 0:
            await asyncio.gather(*(one.admission.run_once() for one in replicas))
    return made, refused, took


async def pass_time(seconds: float) -> None:
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("fault", ["killed", "flushed", "hanging"])
async def test_p14_p15_nothing_is_refused_because_redis_is_away(
    valkey: Keeper, replica: MakeReplica, fault: str
) -> None:
    replicas = [replica([limit(200_000), limit(400, "concurrent")], DEADLINE_S) for _ in range(2)]
    for one in replicas:
        await one.counters.reach()
        await one.counters.run_once()
    over = asyncio.Event()
    driving = asyncio.create_task(drive(replicas, until=over))
    await pass_time(0.3)
    assert valkey.pid is not None
    match fault:
        case "killed":
            os.kill(valkey.pid, signal.SIGKILL)
            await pass_time(1.0)
            await valkey.start()
        case "hanging":
            os.kill(valkey.pid, signal.SIGSTOP)
            await pass_time(1.5)
            assert all(one.steady.is_alone for one in replicas)
            os.kill(valkey.pid, signal.SIGCONT)
        case _:
            client = Redis.from_url(url_of_valkey(valkey))
            for _ in range(5):
                await client.flushall()
                await client.script_flush()
                await pass_time(0.1)
            await client.aclose()
    async with asyncio.timeout(10):
        while any(one.steady.is_alone for one in replicas):
            await asyncio.sleep(0.01)
    await pass_time(0.3)
    over.set()
    made, refused, took = await driving
    assert refused == 0
    assert made > 200
    took.sort()
    assert took[int(len(took) * 0.98)] < 0.025
    assert not any(one.steady.is_alone for one in replicas)


async def test_p16_nobody_gets_what_was_granted_to_somebody_who_left(replica: MakeReplica) -> None:
    one = replica([limit(1, burst=300)])
    dice = random.Random(16)  # noqa: S311 - when it leaves
    kept = 0
    for _ in range(600):
        task = asyncio.create_task(one.admit())
        for _ in range(dice.randint(0, 4)):
            await asyncio.sleep(0)
        task.cancel()
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        kept += done is not None and not isinstance(done, BaseException)
    while await one.admit() is not None:
        kept += 1
    assert kept == 300


async def test_replicas_tell_each_other_what_providers_say(valkey: Keeper) -> None:
    first, second = Headroom(), Headroom()
    sharing = [SharedHeadroom(url_of_valkey(valkey), headroom) for headroom in (first, second)]
    first.limited("openai", "gpt", 30.0)
    for one in sharing:
        await one.run_once()
    assert 29 < second.wait_s("openai", "gpt") <= 30
    await valkey.stop()
    for one in sharing:
        await one.run_once()
        await one.close()


async def test_limits_are_kept(database: Database) -> None:
    issued = await KeyRing(PostgresKeyStore(database), bytes(32)).create_key("ann", tenant="default")
    tenant = issued.record.tenant_id
    limits = PostgresLimits(database)
    made = Limit(
        id=str(uuid4()),
        tenant_id=tenant,
        scope="user",
        measure="spend",
        amount=10**13,
        burst=10**12,
        model="gpt",
    )
    before = await limits.version()
    assert await limits.put(made) == made
    assert await limits.every() == [made]
    again = msgspec.structs.replace(made, id=str(uuid4()), amount=5)
    kept = msgspec.structs.replace(again, id=made.id)
    assert await limits.put(again) == kept
    for_all = Limit(
        id=str(uuid4()),
        tenant_id=None,
        scope="everyone",
        measure="requests",
        amount=9,
        burst=9,
        provider="openai",
    )
    await limits.put(for_all)
    assert await limits.page(tenant, after="", limit=10) == [kept]
    assert await limits.page(None, after="", limit=10) == [for_all]
    assert await limits.page(tenant, after=made.id, limit=10) == []
    assert not await limits.remove(None, made.id)
    assert await limits.remove(tenant, made.id)
    assert await limits.every() == [for_all]
    assert await limits.version() > before
    assert await limits.operates(tenant, "default")
    assert not await limits.operates(tenant, "another")
