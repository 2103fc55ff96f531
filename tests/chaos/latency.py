"""What the ledger adds to a request: measured from beside the gateways, while they carry the load.

A probe in a process of its own reaches the running CostLedger as a gateway does, over a lane, and reserves
and settles a few times a second. So nothing in the product is changed, and what is measured is the lane, the
batch under way, the transaction and its commit to disk, without the gateway's own queue.
"""

import asyncio
import os
import random
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import psutil

from tests.bench.figures import quantile
from tests.bench.processes import census_of_instance, cpu_by_role
from tests.chaos.client import MODELS, Call, Client, at_rate, session
from tests.chaos.goals import Goal, at_least, at_most
from tests.chaos.probe import PROBES_PER_S, Plan, Times
from tests.chaos.system import System
from tests.serve.stack import ROOT

WARM_S = 5.0
IDLE_S = 10.0
LEDGER = ("costledger", "postgres")


async def play(system: System, *, rate: float, seconds: float, chance: random.Random) -> list[Goal]:
    [key] = await system.keys(1, budget_pico=10**18)  # a budget has to be locked and counted
    async with session() as opened:
        client = Client(opened, system.url, key.key)

        async def load(for_s: float) -> float:
            calls = (
                Call(model=chance.choice(MODELS), directive="tokens=25") for _ in range(int(rate * for_s))
            )
            ended = await at_rate(client, calls, rate=rate)
            return sum(e.outcome == "done" for e in ended) / len(ended)

        await load(WARM_S)
        before_idle = census_of_instance(system.home)
        await asyncio.sleep(IDLE_S)
        before = census_of_instance(system.home)
        times, answered = await asyncio.gather(_probe(system, seconds, key.record.id), load(seconds))
    idle, spent = cpu_by_role(before_idle, before), cpu_by_role(before, census_of_instance(system.home))
    return [
        at_least("requests answered meanwhile", answered, goal=0.999, beside=f" at {rate:g} a second"),
        *_latency(times),
        _cpu(idle, spent, seconds=seconds, operations=rate + PROBES_PER_S),
    ]


def _latency(times: Times) -> list[Goal]:
    both = sorted(one + other for one, other in zip(times.reserve_ms, times.settle_ms, strict=True))
    reserve, settle = sorted(times.reserve_ms), sorted(times.settle_ms)

    def goal(q: float, ms: float) -> Goal:
        apart = f"reserve {quantile(reserve, q):.1f}, settle {quantile(settle, q):.1f}"
        beside = f" ({apart}; {len(both)} probes)"
        said = f"reserve and settle, p{100 * q:.0f}"
        return at_most(said, quantile(both, q), goal=ms, unit="ms", beside=beside)

    return [goal(0.5, 5), goal(0.99, 25)]


def _cpu(idle: Mapping[str, float], spent: Mapping[str, float], *, seconds: float, operations: float) -> Goal:
    """Without what they use when nobody asks for anything."""
    per_request = {
        role: max(0.0, spent.get(role, 0.0) / seconds - idle.get(role, 0.0) / IDLE_S) / operations * 1e3
        for role in LEDGER
    }
    apart = ", ".join(f"{role} {ms:.2f}" for role, ms in per_request.items())
    total = sum(per_request.values())
    return at_most("CPU of reserve and settle", total, goal=0.5, unit="ms a request", beside=f" ({apart})")


async def _probe(system: System, seconds: float, key_id: str) -> Times:
    environment = _ray_environment(system)
    plan = Plan(seconds=seconds, key_id=key_id, ray_address=_ray_address(system))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.probe"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | environment,
        cwd=ROOT,
    )
    output, _ = await process.communicate(msgspec.json.encode(plan))
    assert process.returncode == 0, "the probe failed"
    return msgspec.json.decode(output.splitlines()[-1], type=Times)


def _ray_environment(system: System) -> dict[str, str]:
    """What joins a process to the stack's Ray, as its replicas have it."""
    [replica, *_] = system.stack.replicas("CostLedger")
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    found = replica.environ()
    serve = {name: value for name, value in found.items() if name.startswith("RAY_SERVE_")}
    return serve | {name: found[name] for name in names if name in found}


def _ray_address(system: System) -> str:
    """The raylet's command line says where its cluster is."""
    [replica, *_] = system.stack.replicas("CostLedger")
    session_mark = str(system.home.run_dir())
    for process in psutil.process_iter(["cmdline"]):
        command: list[Any] = process.info["cmdline"] or []
        if command and command[0].endswith("raylet") and session_mark in " ".join(command):
            [address] = [part.partition("=")[2] for part in command if part.startswith("--gcs-address=")]
            return str(address)
    raise AssertionError(f"no raylet of {replica.pid} was found")
