"""What limits cost a request: `python -m tests.bench.limits`. Processor time of one replica.

The counters are in memory or, with `POLYVOX_REDIS_URL` set, in Redis; then exchanges are measured, too.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from deployments.limits import RedisCounters
from models.limits import (
    Admission,
    Claim,
    FairQueue,
    InMemoryCounters,
    InMemoryLimits,
    Limit,
    LimitBook,
    SteadyCounters,
    Who,
    headers_for,
    tightest,
)
from models.limits.counters import Ask, Counters
from models.limits.limit import Measure, Scope

REQUESTS = 20_000
GOAL_US = 30.0
WHO = Who("acme", "search", "ann", "ann-1")
DOOR = Claim(who=WHO)
CALL = Claim(who=WHO, model="gpt", provider="openai", input_tokens=900, output_tokens=400, spend_pico=10**9)


def limit(scope: Scope, measure: Measure, *, model: str | None = None) -> Limit:
    amount = 10**12 if measure != "spend" else 10**17
    return Limit(
        id=f"{scope}-{measure}-{model}",
        tenant_id="acme",
        scope=scope,
        owner=WHO.owner(scope),
        model=model,
        measure=measure,
        amount=amount,
        burst=amount,
    )


CASES: Sequence[tuple[str, Sequence[Limit]]] = (
    ("no limits", ()),
    ("requests of the key", [limit("key", "requests")]),
    (
        "requests, tokens, concurrent of the tenant",
        [limit("tenant", measure) for measure in ("requests", "tokens", "concurrent")],
    ),
    (
        "all six of key, user and tenant",
        [
            limit(scope, measure)
            for scope in ("key", "user", "tenant")
            for measure in ("requests", "tokens", "input_tokens", "output_tokens", "spend", "concurrent")
        ],
    ),
)


async def cost_us(limits: Sequence[Limit], counters: Counters) -> float:
    """Of a request: let in at the door and for its call, and both settled."""
    book = LimitBook(InMemoryLimits())
    book.use(limits)
    admission = Admission(book, counters)

    async def serve(number: int) -> None:
        for done in range(number):
            door, call = await admission.admit(DOOR), await admission.admit(CALL)
            call.settle(input_tokens=900, output_tokens=380, spend_pico=9 * 10**8)
            door.settle()
            if done % 100 == 0:
                await asyncio.sleep(0)

    await serve(2_000)
    began = time.process_time()
    await serve(REQUESTS)
    return (time.process_time() - began) / REQUESTS * 1e6


async def queue_us() -> float:
    queue = FairQueue(capacity=100)
    began = time.process_time()
    for _ in range(REQUESTS):
        await queue.enter("acme", cost=1_000)
        queue.leave()
    return (time.process_time() - began) / REQUESTS * 1e6


async def headers_us(limits: Sequence[Limit]) -> float:
    book = LimitBook(InMemoryLimits())
    book.use(limits)
    admission = Admission(book, InMemoryCounters().of("a"))
    door, call = await admission.admit(DOOR), await admission.admit(CALL)
    began = time.process_time()
    for _ in range(REQUESTS):
        headers_for("openai", tightest([*door.rates(), *call.rates()]))
    return (time.process_time() - began) / REQUESTS * 1e6


async def exchange_ms(counters: RedisCounters, asks: int) -> Sequence[float]:
    """Median and 99th percentile."""
    several = [
        Ask(key=f"limits:bench:{n}", interval_us=1.0, burst=10**6, need=1, sure=1) for n in range(asks)
    ]
    took = []
    for _ in range(1_000):
        began = time.perf_counter()
        await counters.exchange(several)
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return took[500], took[990]


def row(name: str, figure: float, goal: float | None = None) -> bool:
    verdict = "" if goal is None else ("holds" if figure <= goal else "MISSED")
    print(f"{name:60} {figure:8.2f} µs {'' if goal is None else f'goal {goal:.0f}':>8} {verdict}")
    return verdict != "MISSED"


async def main() -> bool:
    url = os.environ.get("POLYVOX_REDIS_URL")
    shared = None if url is None else RedisCounters(url, replica="bench")
    make: Callable[[], Counters] = lambda: InMemoryCounters().of("a")  # noqa: E731
    if shared is not None:
        await shared.reach()
        steady = SteadyCounters(shared, replicas=lambda: 1, reach=shared.reach)
        make = lambda: steady  # noqa: E731
    good = [row(name, await cost_us(limits, make()), GOAL_US) for name, limits in CASES]
    row("a fair queue with room", await queue_us())
    row("the headers of an answer", await headers_us(CASES[2][1]))
    if shared is not None:
        for asks in (1, 8):
            p50, p99 = await exchange_ms(shared, asks)
            row(f"an exchange of {asks} with Redis, p50", p50 * 1e3)
            row(f"an exchange of {asks} with Redis, p99", p99 * 1e3)
        await shared.close()
    return all(good)


if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(main()) else 1)
