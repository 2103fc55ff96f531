"""M-1: a key with money for ten calls, two hundred at once."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import aiohttp

from deployments.sandbox.line import Line
from models.identity.keyring import IssuedKey
from tests.chaos.client import MODELS, Call, Client, Ended, session
from tests.chaos.goals import Goal, at_least, none
from tests.chaos.system import PROVIDERS, System, Used, billed, kill_in_turn, true_pico

AFFORDABLE = 10
TOKENS = 200
HOLDS_CLOSE_WITHIN_S = 60.0

KILL_EVERY_S = 4.0
PATIENCE_S = 50.0
"""How long some clients go on asking while replicas are being killed: longer than a hold outlives its holder,
so that what becomes free is spent again."""
PATIENT = 3 * AFFORDABLE
ROUNDS_AT_ONCE = 4
ASK_AGAIN_S = 1.0
VICTIMS = ("Gateway", "CostLedger", *PROVIDERS)


@dataclass(frozen=True)
class Round:
    call: Call
    true_cost_pico: int
    """Of one call that nothing has cut short."""
    key: IssuedKey
    ended: list[Ended]

    @property
    def budget_pico(self) -> int:
        return AFFORDABLE * self.true_cost_pico


def quick() -> list[Call]:
    """Each model, in one piece and streamed."""
    return [
        Call(model=model, stream=stream, directive=f"tokens={TOKENS} delay=0.05", max_tokens=TOKENS)
        for model in MODELS
        for stream in (False, True)
    ]


def slow() -> list[Call]:
    """The same, so slow that replicas die meanwhile."""
    how = {False: f"tokens={TOKENS} delay=1", True: f"tokens={TOKENS} rate={TOKENS}"}
    return [replace(call, directive=how[call.stream]) for call in quick()]


def unlimited() -> list[Call]:
    """A call without a limit of its own may hold all the money: then one waits for the other."""
    return [replace(call, max_tokens=None) for call in quick()]


async def play(
    system: System, kinds: list[Call], *, rounds: int, parallel: int, kills: bool, chance: random.Random
) -> list[Goal]:
    """All rounds, of one kind of calls after the other, then what they came to."""
    kinds = chance.sample(kinds, len(kinds))
    calls = [kinds[number % len(kinds)] for number in range(rounds)]
    async with session() as opened:
        costs = await _true_costs(system, opened, set(calls))
        at_once = asyncio.Semaphore(ROUNDS_AT_ONCE if kills else 1)

        async def one(call: Call) -> Round:
            async with at_once:
                return await _round(
                    system, opened, call, costs[call], parallel=parallel, patient=PATIENT if kills else 0
                )

        async with _killing(system, chance) if kills else _peace() as killed:
            played = await asyncio.gather(*map(one, calls))
    holds = await _holds_closed(system)
    return [holds, *_judged(system, played, kills=kills), *_about(killed, kills)]


async def _true_costs(system: System, opened: aiohttp.ClientSession, calls: set[Call]) -> dict[Call, int]:
    """What one of each costs, as the provider bills it."""
    client = Client(opened, system.url, system.stack.key)
    ended = [await client.send(call) for call in calls]
    await asyncio.sleep(0.1)  # until the meter has written them down
    meter = system.meter()
    return {e.call: true_pico(meter[f"{e.request_id}/0"][-1]) for e in ended}


async def _round(
    system: System, opened: aiohttp.ClientSession, call: Call, cost: int, *, parallel: int, patient: int
) -> Round:
    [key] = await system.keys(1, budget_pico=AFFORDABLE * cost)
    client = Client(opened, system.url, key.key)
    tries = (_send(client, call, patient=n < patient) for n in range(parallel))
    return Round(call, cost, key, [one for each in await asyncio.gather(*tries) for one in each])


async def _send(client: Client, call: Call, *, patient: bool) -> list[Ended]:
    """A patient client asks again, until it is answered or the money is gone for good."""
    tries, deadline = [await client.send(call)], time.monotonic() + PATIENCE_S
    while patient and tries[-1].outcome != "done" and tries[-1].code != "budget_exceeded":
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(ASK_AGAIN_S)
        tries.append(await client.send(call))
    return tries


@asynccontextmanager
async def _killing(system: System, chance: random.Random) -> AsyncIterator[list[str]]:
    killed: list[str] = []

    async def kill() -> None:
        while True:
            [one] = await kill_in_turn(
                system, [VICTIMS[len(killed) % len(VICTIMS)]], every_s=KILL_EVERY_S, kills=1, chance=chance
            )
            killed.append(one.role)

    task = asyncio.create_task(kill())
    try:
        yield killed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _peace() -> AsyncIterator[list[str]]:
    yield []


async def _holds_closed(system: System) -> Goal:
    left = await system.no_open_holds(within_s=HOLDS_CLOSE_WITHIN_S)
    return none(f"holds open {HOLDS_CLOSE_WITHIN_S:g} s later", left)


def _judged(system: System, played: list[Round], *, kills: bool) -> list[Goal]:
    meter, usage = system.meter(), system.usage([r.key.record.id for r in played])
    calls_of: dict[str, list[str]] = {r.key.record.id: [] for r in played}
    for used in usage.values():
        calls_of[used.key_id].append(used.op_key)
    overspent, admitted, spent = [], [], []
    for one in played:
        calls = calls_of[one.key.record.id]
        true = billed(meter, calls)
        if true > one.budget_pico:
            overspent.append(
                f"{one.call.model}: {true - one.budget_pico} pico-USD, {_why(meter, usage, calls)}"
            )
        admitted.append(min(AFFORDABLE, sum(usage[call].cost_pico > 0 for call in calls)))
        spent.append(true / one.budget_pico)
    codes = {e.code or e.outcome for r in played for e in r.ended if e.outcome not in ("done", "no money")}
    return [
        none("rounds that overspend, by the providers' meter", overspent, of=len(played)),
        none("accounts beyond their limit", _beyond_limit(system, played), of=len(played)),
        *(
            _admission(name, [admitted[n] for n in rounds], [spent[n] for n in rounds])
            for name, rounds in _by_limit(played).items()
        ),
        *([] if kills else [none("requests that end in neither an answer nor a 402", sorted(codes))]),
    ]


def _why(meter: Mapping[str, list[Line]], usage: Mapping[str, Used], calls: list[str]) -> str:
    """How much less was charged than metered, by how the calls ended."""
    less: Counter[str] = Counter()
    for call in calls:
        used = usage[call]
        less[f"{used.status} {'stream' if used.stream else 'unary'}"] += (
            billed(meter, [call]) - used.cost_pico
        )
    return ", ".join(f"{status} {pico}" for status, pico in less.items() if pico)


def _by_limit(played: list[Round]) -> dict[str, list[int]]:
    """Which rounds asked for answers of limited length, and which did not."""
    rounds: dict[str, list[int]] = {}
    for number, one in enumerate(played):
        rounds.setdefault("unlimited" if one.call.max_tokens is None else "limited", []).append(number)
    return rounds


def _admission(name: str, admitted: list[int], spent: list[float]) -> Goal:
    """In so many rounds; how much of the money was spent stands beside it."""
    share, money = sum(admitted) / (AFFORDABLE * len(admitted)), sum(spent) / len(spent)
    least = f"the least {min(admitted)} of {AFFORDABLE}"
    beside = f", {least}, {len(admitted)} rounds; {100 * money:.1f} % of the money spent"
    return at_least(f"affordable calls admitted, {name} answers", share, goal=0.95, beside=beside)


def _beyond_limit(system: System, played: list[Round]) -> int:
    with system.connect() as connection:
        [[number]] = connection.execute(
            """
            SELECT count(*) FROM accounts AS a JOIN budgets AS b ON b.id = a.budget_id
            WHERE
                b.scope = 'key' AND b.owner = ANY (%(keys)s)
                AND a.posted_pico + a.pending_pico > b.limit_pico
            """,
            {"keys": [r.key.record.id for r in played]},
        ).fetchall()
    return int(number)


def _about(killed: list[str], kills: bool) -> list[Goal]:
    dead = ", ".join(f"{number} {role}" for role, number in Counter(killed).items())
    return [Goal("replicas killed meanwhile, ≥ 1", dead, bool(killed))] if kills else []
