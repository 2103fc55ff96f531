"""Replicas, ledger and database are killed under open-loop load; what becomes of requests and of the books.

Without idempotency keys and without client retries. What is under way at a gateway that dies is cut, which no
server can help, so it is counted apart.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from deployments.local.ledger_command import findings
from deployments.sandbox.line import Line
from tests.chaos.client import MODELS, Call, Client, Ended, at_rate, session
from tests.chaos.goals import Goal, at_least, none
from tests.chaos.system import Killed, System, Used, billed, kill_in_turn
from tests.money.books import broken_rules

ROLES = ("CostLedger", "Gateway", "postgres")
EVERY_S = 6.0
RATE = 40.0
GATEWAY_MISSED_S = 10.0
"""So long after the death of a gateway its requests fail, and those that are still sent to where it was."""
HOLDS_CLOSE_WITHIN_S = 60.0


def calls(number: int, chance: random.Random) -> Iterable[Call]:
    """Every other one a stream, each of about half a second."""
    for n in range(number):
        stream = n % 2 == 1
        directive = "tokens=25 rate=50" if stream else "tokens=25 delay=0.5"
        yield Call(model=chance.choice(MODELS), stream=stream, directive=directive)


async def play(
    system: System,
    *,
    kills: int,
    chance: random.Random,
    roles: Sequence[str] = ROLES,
    every_s: float = EVERY_S,
    rate: float = RATE,
) -> list[Goal]:
    [key] = await system.keys(1, budget_pico=None)
    number, began = int(rate * every_s * (kills + 1)), time.time()
    async with session() as opened:
        client = Client(opened, system.url, key.key)
        killed, ended = await asyncio.gather(
            kill_in_turn(system, roles, every_s=every_s, kills=kills, chance=chance),
            at_rate(client, calls(number, chance), rate=rate),
        )
    open_holds = await system.no_open_holds(within_s=HOLDS_CLOSE_WITHIN_S)
    dead = Counter(k.role for k in killed)
    return [
        Goal(f"killed, all of {kills}", ", ".join(f"{n} {r}" for r, n in dead.items()), len(killed) == kills),
        none(f"holds open {HOLDS_CLOSE_WITHIN_S:g} s later", open_holds),
        *_books(system),
        none("findings of `polyvox ledger verify`", [str(f) for f in await findings(system.database_url)]),
        *_entries(
            ended,
            system.meter(since=began),
            system.usage([key.record.id]),
            known=system.known_calls(),
        ),
        *_requests(ended, killed),
    ]


def _books(system: System) -> list[Goal]:
    with system.connect() as connection:
        broken = broken_rules(connection)
    refused = system.stack.home / "outbox" / "refused.jsonl"
    set_aside = refused.read_text().splitlines() if refused.exists() else []
    waiting = [p.name for p in (system.stack.home / "outbox").glob("*.outbox") if p.stat().st_size]
    return [
        none("rules of double entry that are broken", [f"{name}: {rows}" for name, rows in broken.items()]),
        none("records set aside", len(set_aside)),
        none("outboxes that are not empty", waiting),
    ]


def _entries(
    ended: list[Ended], meter: Mapping[str, list[Line]], usage: Mapping[str, Used], *, known: Collection[str]
) -> list[Goal]:
    """Acknowledged is what a client has seen the end of."""
    acknowledged = {e.request_id for e in ended if e.outcome == "done"}
    times = Counter(used.op_key.rpartition("/")[0] for used in usage.values() if used.status == "completed")
    lost = [r for r in acknowledged if not times[r]]
    doubled = [r for r in acknowledged if times[r] > 1]
    badly = [u.op_key for u in usage.values() if not _moved_well(u)]
    unknown = [op_key for op_key in meter if op_key not in known]
    charged, true = sum(u.cost_pico for u in usage.values()), billed(meter, usage)
    return [
        none("acknowledged answers that the ledger has lost", lost, of=len(acknowledged)),
        none("acknowledged answers that the ledger has twice", doubled, of=len(acknowledged)),
        none("calls whose transfers are not a reservation and one resolution", badly, of=len(usage)),
        none("calls on the meter that the ledger does not have", unknown, of=len(meter)),
        Goal("charged against metered", f"{100 * (charged / max(true, 1) - 1):+.2f} %", held=True),
    ]


def _moved_well(used: Used) -> bool:
    first, *rest = used.moves or [""]
    resolution, *corrections = rest or [""]
    return (
        first == "reserve"
        and resolution in ("settle", "release", "expire")
        and corrections in ([], ["adjust"])
        and (used.status != "completed" or resolution == "settle" or corrections == ["adjust"])
    )


def _requests(ended: list[Ended], killed: list[Killed]) -> list[Goal]:
    deaths = [k.at for k in killed if k.role == "Gateway"]

    def apart(one: Ended) -> bool:
        cut = one.outcome in ("cut", "bare error") or one.code == "gateway_unavailable"
        return cut and any(one.began < death + GATEWAY_MISSED_S and one.ended > death for death in deaths)

    counted = [e for e in ended if not apart(e)]
    unary = [e for e in counted if not e.call.stream]
    codes = Counter(f"{e.outcome} {e.code}".strip() for e in counted if e.outcome != "done")
    answered = sum(e.outcome == "done" for e in unary) / max(len(unary), 1)
    beside = (
        f" of {len(unary)}; {dict(codes) or 'no errors'}; {len(ended) - len(counted)} lost with a gateway"
    )
    return [
        at_least("unary requests answered", answered, goal=0.995, beside=beside),
        none("streams that end silently", sum(e.outcome == "silent end" for e in ended)),
        none("errors without a type", sum(e.outcome == "bare error" for e in counted)),
    ]
