"""Replicas, proxy and controller hang or die under load. P-1, P-3, P-6, P-7, R-8."""

import asyncio
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import psutil

from tests.chaos.client import MODELS, Call, Client, Ended, session
from tests.chaos.during import Moment, failed, go_on, p99_ms, stop, under_load
from tests.chaos.goals import Goal, at_most, none
from tests.chaos.system import System

RATE = 40.0
HANGS_S = 45.0
OUT_WITHIN_S = 5.0
REPLACED_WITHIN_S = 15.0
ROLES = ("Provider-openai", "CostLedger", "Router", "ContextEngine", "Gateway")
PROXIES = 3
BACK_WITHIN_S = 5.0
AFTER_S = 30.0


def calls(chance: random.Random) -> Iterator[Call]:
    for number in itertools.count():
        model = "auto" if number % 4 == 0 else chance.choice(MODELS)
        yield Call(model=model, stream=number % 2 == 1, directive="tokens=20")


async def hang(system: System, role: str, *, chance: random.Random) -> list[Goal]:
    """One of two replicas stops for a while, as if its machine had."""
    [key] = await system.keys(1, budget_pico=None)
    victim: list[psutil.Process] = []

    async def stop_one() -> None:
        victim.append(chance.choice(system.victims(role)))
        stop(victim)

    async def resume() -> None:
        go_on(victim)

    async with session() as opened:
        client = Client(opened, system.url, key.key)
        await under_load(client, calls(chance), [], rate=RATE, rest_s=3.0)
        steps = [(6.0, stop_one), (6.0 + HANGS_S, resume)]
        watch = asyncio.create_task(_replaced(system, role, victim))
        ended, [before, hung, _] = await under_load(client, calls(chance), steps, rate=RATE, rest_s=3.0)
        replaced_s = await watch
    known = Moment(hung.began + OUT_WITHIN_S, hung.ended)
    early = Moment(hung.began, hung.began + OUT_WITHIN_S)
    baseline = p99_ms(before.of(ended))
    lost = failed(early.of(ended))
    said = f"a hanging {role}: "
    return [
        none(
            f"{said}requests that fail {OUT_WITHIN_S:g} s later",
            failed(known.of(ended)),
            of=_count(known, ended),
        ),
        at_most(
            f"{said}p99 {OUT_WITHIN_S:g} s later, against before",
            p99_ms(known.of(ended)) / baseline,
            goal=2.0,
            unit="×",
            beside=f" of {baseline:.0f} ms; {len(lost)} of {_count(early, ended)} failed until then"
            f" {dict(Counter(lost)) or ''}",
        ),
        at_most(f"{said}replaced after", replaced_s, goal=REPLACED_WITHIN_S, unit="s"),
    ]


async def proxies(system: System, *, chance: random.Random) -> list[Goal]:
    """The one proxy of this machine dies: until it is back nobody gets in, and nothing is held for ever."""
    [key] = await system.keys(1, budget_pico=None)
    backs: list[float] = []
    async with session() as opened:
        client = Client(opened, system.url, key.key)
        for _ in range(PROXIES):
            await client.send(next(calls(chance)))
            for process in system.haproxies():
                process.send_signal(signal.SIGKILL)
            backs.append(await _back(client, chance))
            await asyncio.sleep(2.0)
    return [
        at_most(
            f"until requests are answered after the proxy's death, the longest of {PROXIES}",
            max(backs),
            goal=BACK_WITHIN_S,
            unit="s",
        ),
        none("holds open 60 s later", await system.no_open_holds(within_s=60.0)),
    ]


async def controller(system: System, *, chance: random.Random) -> list[Goal]:
    """Serve's controller dies, and an adapter while it is away."""
    [key] = await system.keys(1, budget_pico=None)

    async def kill() -> None:
        for process in system.controllers():
            process.send_signal(signal.SIGKILL)

    async def kill_adapter() -> None:
        chance.choice(system.victims("Provider-anthropic")).send_signal(signal.SIGKILL)

    async with session() as opened:
        client = Client(opened, system.url, key.key)
        ended, _ = await under_load(
            client, calls(chance), [(5.0, kill), (5.5, kill_adapter)], rate=RATE, rest_s=20.0
        )
        again = await _two_again(system, "Provider-anthropic", within_s=AFTER_S)
    # A stream that the dead adapter had begun is cut, which it says.
    wrong = [
        one for one in ended if one.outcome != "done" and not (one.call.stream and one.code == "replica_lost")
    ]
    return [
        none("requests that fail while the controller is away", failed(wrong), of=len(ended)),
        Goal(
            f"the adapter that died meanwhile is replaced, ≤ {AFTER_S:g} s after the load",
            f"{again:.1f} s",
            again < AFTER_S,
        ),
    ]


def _count(moment: Moment, ended: Sequence[Ended]) -> int:
    return len(moment.of(ended))


async def _replaced(system: System, role: str, victim: list[psutil.Process]) -> float:
    """Seconds from the hang until there are as many replicas that run as before."""
    number = len(await asyncio.to_thread(system.victims, role))
    while not victim:
        await asyncio.sleep(0.1)
    began = time.monotonic()
    while time.monotonic() - began < HANGS_S + 30.0:
        running = [p for p in await asyncio.to_thread(system.victims, role) if p.pid != victim[0].pid]
        if len(running) >= number:
            return time.monotonic() - began
        await asyncio.sleep(0.25)
    return float("inf")


async def _two_again(system: System, role: str, *, within_s: float) -> float:
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if len(await asyncio.to_thread(system.victims, role)) >= 2:
            return time.monotonic() - began
        await asyncio.sleep(0.5)
    return within_s


async def _back(client: Client, chance: random.Random) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 60.0:
        if (await client.send(next(calls(chance)))).outcome == "done":
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return 60.0
