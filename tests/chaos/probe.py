"""Reserves and settles at the ledger of a running stack, as a gateway would: `python -m tests.chaos.probe`.

Reads a `Plan` on stdin, writes `Times` to stdout.
"""

import asyncio
import logging
import sys
import time
from uuid import uuid4

import msgspec
import ray
from msgspec import Struct
from ray import serve

from deployments.clients import LedgerLane
from deployments.lane.client import Lane
from deployments.lane.discovery import ServeDiscovery
from tests.ledger_samples import ask, record

PROBES_PER_S = 20.0
TIMEOUT_S = 10.0


class Plan(Struct):
    seconds: float
    key_id: str
    ray_address: str


class Times(Struct):
    """Of each probe, in its order."""

    reserve_ms: list[float]
    settle_ms: list[float]


async def probe(plan: Plan) -> Times:
    handle = serve.get_deployment_handle("CostLedger", "polyvox")
    ledger = LedgerLane(Lane(ServeDiscovery(handle), name="ledger"), timeout_s=TIMEOUT_S)
    await _once(ledger, plan.key_id)  # the lane is opened by its first request
    times, loop = Times([], []), asyncio.get_running_loop()
    began = loop.time()
    running = []

    async def one() -> None:
        reserve_ms, settle_ms = await _once(ledger, plan.key_id)
        times.reserve_ms.append(reserve_ms)
        times.settle_ms.append(settle_ms)

    for number in range(int(plan.seconds * PROBES_PER_S)):
        await asyncio.sleep(max(0.0, began + number / PROBES_PER_S - loop.time()))
        running.append(asyncio.create_task(one()))
    await asyncio.gather(*running)
    return times


async def _once(ledger: LedgerLane, key_id: str) -> tuple[float, float]:
    name = f"probe-{uuid4()}"
    began = time.perf_counter()
    await ledger.reserve(ask(name, key_id=key_id))
    held = time.perf_counter()
    await asyncio.sleep(0.05)
    called = time.perf_counter()
    await ledger.settle(record(name, key_id=key_id))
    return (held - began) * 1e3, (time.perf_counter() - called) * 1e3


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    ray.init(address=plan.ray_address, namespace="serve", log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    times = asyncio.run(probe(plan))
    sys.stdout.buffer.write(msgspec.json.encode(times) + b"\n")


if __name__ == "__main__":
    main()
