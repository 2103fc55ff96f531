"""`make chaos`: money and conversations under load and faults. A line for each goal, exit 1 for a miss.

python -m tests.chaos [m1|meter|kills|latency|conversations|switching|redis|postgres|replicas ...] [--seed N]

All by default.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos import budgets, conversations, exactness, kills, latency, replicas, stores, switching
from tests.chaos.goals import Goal
from tests.chaos.system import System, running


def m1(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    for gateways in options.gateways:
        for killing in (False, True):
            with (
                _titled(f"m1, {gateways} gateway replicas{', replicas being killed' if killing else ''}"),
                running(Gateway=gateways, CostLedger=2 if killing else 1) as system,
            ):
                yield from asyncio.run(
                    budgets.play(
                        system,
                        budgets.slow() if killing else budgets.quick() + budgets.unlimited(),
                        rounds=options.rounds,
                        parallel=options.parallel,
                        kills=killing,
                        chance=chance,
                    )
                )


def meter(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("meter"), running() as system:
        yield from asyncio.run(
            exactness.play(
                system,
                requests=options.requests,
                aborts=options.aborts,
                thinking=options.thinking,
                chance=chance,
            )
        )


def kill(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("kills"), _two_of_each() as system:
        yield from asyncio.run(
            kills.play(system, kills=options.kills, roles=options.roles.split(","), chance=chance)
        )


def time_it(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("latency"), running() as system:
        yield from asyncio.run(
            latency.play(system, rate=options.rate, seconds=options.seconds, chance=chance)
        )


def converse(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("conversations"), _two_of_each(ContextEngine=2) as system:
        yield from asyncio.run(
            conversations.play(
                system,
                clients=options.clients,
                conversations=options.conversations,
                seconds=options.seconds,
                chance=chance,
            )
        )


def switch(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("switching"), running(Gateway=1, ContextEngine=1) as system:
        yield from asyncio.run(
            switching.play(
                system, switches=options.switches, pairs=options.pairs, cold=options.cold, chance=chance
            )
        )


def redis(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("redis"), running(Gateway=2) as system:
        yield from asyncio.run(stores.redis(system, times=options.times, chance=chance))


def postgres(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    del options
    with _titled("postgres"), running(Gateway=2) as system:
        yield from asyncio.run(stores.postgres(system, chance=chance))


def hang(options: argparse.Namespace, chance: random.Random) -> Iterator[Goal]:
    with _titled("replicas"), _two_of_each(ContextEngine=2, Router=2) as system:
        for role in filter(None, options.hanging.split(",")):
            yield from asyncio.run(replicas.hang(system, role, chance=chance))
        yield from asyncio.run(replicas.controller(system, chance=chance))
        yield from asyncio.run(replicas.proxies(system, chance=chance))


RUNS: dict[str, Callable[[argparse.Namespace, random.Random], Iterator[Goal]]] = {
    "m1": m1,
    "meter": meter,
    "kills": kill,
    "latency": time_it,
    "conversations": converse,
    "switching": switch,
    "redis": redis,
    "postgres": postgres,
    "replicas": hang,
}


@contextmanager
def _two_of_each(**others: int) -> Iterator[System]:
    providers = {"Provider_openai": 2, "Provider_anthropic": 2, "Provider_google": 2}
    with running(Gateway=2, CostLedger=2, **providers, **others) as system:
        yield system


@contextmanager
def _titled(title: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"\n{title}", flush=True)
    yield
    print(f"      {time.monotonic() - began:.0f} s", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="|".join(RUNS), help="all by default")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rounds", type=int, default=100, help="of m1")
    parser.add_argument("--parallel", type=int, default=200, help="requests at once in a round of m1")
    parser.add_argument("--gateways", type=int, nargs="+", default=[1, 4], help="replicas in m1")
    parser.add_argument("--requests", type=int, default=10_000, help="of each provider, in meter")
    parser.add_argument("--aborts", type=int, default=250, help="streams of each provider, in meter")
    parser.add_argument("--thinking", type=int, default=500, help="the same of each that thinks, in meter")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--roles", default=",".join(kills.ROLES), help="who is killed in turn, in kills")
    parser.add_argument("--times", type=int, default=5, help="of each fault, in redis")
    parser.add_argument("--hanging", default=",".join(replicas.ROLES), help="who hangs in turn, in replicas")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second, in latency")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load, in latency, conversations")
    parser.add_argument("--clients", type=int, default=200, help="in conversations")
    parser.add_argument("--conversations", type=int, default=50, help="that they speak in")
    parser.add_argument("--switches", type=int, default=switching.SWITCHES, help="of each kind, in switching")
    parser.add_argument("--pairs", type=int, default=switching.PAIRS, help="of requests, in switching")
    parser.add_argument("--cold", type=int, default=switching.COLD, help="conversations, in switching")
    options = parser.parse_args()
    if unknown := set(options.runs) - set(RUNS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    options = _options()
    print(f"seed {options.seed}", flush=True)
    held = True
    for name in options.runs or RUNS:
        chance = random.Random(f"{options.seed} {name}")  # noqa: S311 - a run is to be repeatable
        for goal in RUNS[name](options, chance):
            print(goal, flush=True)
            held = held and goal.held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
