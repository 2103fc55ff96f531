"""Redis and PostgreSQL die, hang or forget under load.

P-10, P-14, P-15, R-4, R-5: Redis may be away without a request failing; without PostgreSQL nothing is sold,
and nothing that runs is cut.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator

import psutil
from redis.asyncio import Redis

from deployments.local.processes import members
from tests.chaos.client import MODELS, Call, Client, Ended, session
from tests.chaos.during import Moment, failed, go_on, load_until, p99_ms, stop, under_load
from tests.chaos.goals import Goal, at_least, at_most, none
from tests.chaos.system import System

RATE = 60.0
HANGS_S = 5.0
AWAY_S = 20.0
PATIENCE_S = 10.0
"""For so long it might be a restart, and requests wait."""
STREAMS = 30
REFUSED_S = 0.1
RETURN_S = 10.0


def calls(chance: random.Random) -> Iterator[Call]:
    """Each of which asks Redis: for an earlier answer, or at least for its limits."""
    for number in itertools.count():
        yield Call(
            model=chance.choice(MODELS),
            stream=number % 2 == 1,
            directive=f"tokens=20 key=r{number}",
            cached=number % 3 == 0,
        )


async def redis(system: System, *, times: int, chance: random.Random) -> list[Goal]:
    [key] = await system.keys(1, budget_pico=None)
    await system.limit_requests(key.record.user_id, per_minute=1_000_000)
    connection = Redis.from_url(system.redis_url)

    async def kill() -> None:
        for process in _role(system, "valkey"):
            system.stack.kill(process)

    async def flush() -> None:
        await connection.flushall()

    async def hang() -> None:
        found = _role(system, "valkey")
        stop(found)
        try:
            await asyncio.sleep(HANGS_S)
        finally:
            go_on(found)

    steps = [(5.0 + 12.0 * n, step) for n, step in enumerate([kill, flush, hang] * times)]
    async with session() as opened:
        client = Client(opened, system.url, key.key)
        warm, _ = await under_load(client, calls(chance), [], rate=RATE, rest_s=3.0)
        ended, [before, *after] = await under_load(client, calls(chance), steps, rate=RATE, rest_s=10.0)
    await connection.aclose()
    baseline = p99_ms(before.of(ended))
    hung = [one for moment in after[2::3] for one in Moment(moment.began, moment.began + HANGS_S).of(ended)]
    return [
        none("requests that failed before it", failed(warm), of=len(warm)),
        none(
            f"requests that fail with Redis killed, emptied, hanging, ×{times}", failed(ended), of=len(ended)
        ),
        at_most("p99 added by a Redis that hangs", p99_ms(hung) - baseline, goal=25, unit="ms"),
    ]


async def postgres(system: System, *, chance: random.Random) -> list[Goal]:
    """It hangs for `AWAY_S`: streams that run go on, after a while nobody waits any more, and it is back."""
    [key] = await system.keys(1, budget_pico=10**15)
    async with session() as opened:
        client = Client(opened, system.url, key.key)
        directive = f"tokens={int(AWAY_S + 10)} rate=1"
        streams = [
            asyncio.create_task(client.send(Call(model=MODELS[n % 3], stream=True, directive=directive)))
            for n in range(STREAMS)
        ]
        await asyncio.sleep(4.0)
        found = _role(system, "postgres")
        stop(found)
        stopped = time.monotonic()
        done = asyncio.Event()
        load = asyncio.create_task(load_until(done, client, _short(chance), rate=20.0))
        await asyncio.sleep(AWAY_S)
        go_on(found)
        back = time.monotonic()
        answered_after = await _until_answered(client, chance)
        await asyncio.sleep(3.0)
        done.set()
        ended, ran = await load, await asyncio.gather(*streams)
    open_holds = await system.no_open_holds(within_s=60.0)
    late = Moment(stopped + PATIENCE_S, back - 1.0).of(ended)
    told_at_once = [
        one for one in late if one.outcome == "typed error" and one.ended - one.began <= REFUSED_S
    ]
    wrongly = [f"{e.outcome} {e.code}" for e in ended if e.outcome in ("bare error", "cut", "silent end")]
    return [
        none(f"streams cut while PostgreSQL hangs for {AWAY_S:g} s", failed(ran), of=len(ran)),
        at_least(
            f"requests refused within {REFUSED_S * 1000:g} ms once it is known to be away",
            len(told_at_once) / max(1, len(late)),
            goal=0.95,
            beside=f" of {len(late)} ({_slowest(late)})",
        ),
        none("requests that got no typed error", wrongly, of=len(ended)),
        at_most("until requests are answered again", answered_after, goal=RETURN_S, unit="s"),
        none("holds open 60 s later", open_holds),
        none("outboxes that are not empty", _outboxes(system)),
    ]


def _short(chance: random.Random) -> Iterator[Call]:
    while True:
        yield Call(model=chance.choice(MODELS), directive="tokens=10")


async def _until_answered(client: Client, chance: random.Random) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 60.0:
        one = await client.send(next(_short(chance)))
        if one.outcome == "done":
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    return float("inf")


def _slowest(ended: list[Ended]) -> str:
    worst = max((one.ended - one.began for one in ended), default=0.0)
    return f"the slowest {worst * 1000:.0f} ms"


def _outboxes(system: System) -> list[str]:
    return [path.name for path in (system.stack.home / "outbox").glob("*.outbox") if path.stat().st_size]


def _role(system: System, role: str) -> list[psutil.Process]:
    return [process for process, of in members(system.home) if of == role]
