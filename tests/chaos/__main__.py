"""`make chaos`: replicas, ledger, database and proxy are killed under load; what becomes of the requests.

Goals as of November 2026, without idempotency keys and without client retries: unary requests whose adapter
or ledger dies succeed elsewhere; no stream ends silently; every answer that was given is in the ledger.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import time

import psutil
import psycopg

from tests.chaos.load import Load
from tests.serve.stack import Stack

EVERY_S = 6.0
RATE = 40.0
TWO: dict[str, object] = {"autoscaling_config": {"min_replicas": 2, "max_replicas": 2}}
ROLES = ("Provider-openai", "Provider-anthropic", "Provider-google", "CostLedger")


def victims(stack: Stack, role: str) -> list[psutil.Process]:
    return stack.database() if role == "postgres" else stack.replicas(role)


async def kill_now_and_then(stack: Stack, kills: int, seed: int) -> list[str]:
    chance = random.Random(seed)  # noqa: S311 - the order of kills is to be repeatable
    done = []
    for number in range(kills):
        await asyncio.sleep(EVERY_S)
        role = (*ROLES, "postgres")[number % (len(ROLES) + 1)]
        found = victims(stack, role)
        if found:
            chance.choice(found).send_signal(signal.SIGKILL)
            done.append(role)
    return done


def recorded(stack: Stack) -> set[str]:
    url = next(p.environ()["POLYVOX_DATABASE_URL"] for p in stack.replicas("CostLedger") if p.is_running())
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT request_id FROM model_usage WHERE status = 'completed'").fetchall()
    return {row[0] for row in rows}


async def run(stack: Stack, kills: int, seed: int) -> bool:
    load = Load(stack.url, stack.key, rate=RATE, seed=seed)
    seconds = EVERY_S * (kills + 1)
    killed, _ = await asyncio.gather(kill_now_and_then(stack, kills, seed), load.run(seconds))
    await asyncio.sleep(2)
    tally = load.tally
    lost = tally.request_ids - recorded(stack)
    unary_total, unary_good = sum(tally.unary.values()), tally.unary["done"]
    goals = [
        (f"killed, all of {kills}", len(killed) == kills, ", ".join(killed)),
        (
            "unary requests answered, ≥ 99.5 %",
            unary_good >= 0.995 * unary_total,
            f"{100 * unary_good / unary_total:.2f} % of {unary_total}",
        ),
        ("streams that end silently, 0", tally.streams["silent end"] == 0, str(dict(tally.streams))),
        ("errors without a type, 0", tally.unary["bare error"] + tally.streams["bare error"] == 0, ""),
        ("answers that are not in the ledger, 0", not lost, f"{len(lost)} of {len(tally.request_ids)}"),
    ]
    for goal, held, figure in goals:
        print(f"{'pass' if held else 'MISS'}  {goal}: {figure}")
    print("errors seen:", dict(tally.codes) or "none", " unary:", dict(tally.unary))
    return all(held for _, held, _ in goals)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.kills} kills, {RATE:g} requests/s", flush=True)
    stack = Stack(overrides={role: dict(TWO) for role in ROLES}, args={})
    try:
        stack.up()
        held = asyncio.run(run(stack, arguments.kills, arguments.seed))
    finally:
        stack.down()
        shutil.rmtree(stack.home, ignore_errors=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
