"""The ledger against the sandbox's meter: equal for what was completed, near for what was left."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping

from deployments.sandbox.line import Line
from tests.chaos.client import MODELS, Call, Client, Ended, at_rate, session, so_many_at_once
from tests.chaos.goals import Goal, at_most, none
from tests.chaos.system import System, Used, billed, true_pico

LEFT_MODELS = ("gpt-5.6-luna", "claude-haiku-4-5", "gemini-3.8-flash")
"""What nobody was told has to be judged by other calls of the same model: these have no reasoning in them.
Reasoning that is hidden, and of which nothing is told, cannot be known of a stream that is left."""

AT_ONCE = 32
LEFT_AT_RATE = 40.0
HOLDS_CLOSE_WITHIN_S = 60.0


def completed_calls(model: str, number: int, chance: random.Random) -> Iterator[Call]:
    """Every other one a stream; cached, stored and reasoning tokens mixed in where a provider tells them."""
    for n in range(number):
        counts = {"tokens": chance.randint(1, 120)}
        if chance.random() < 0.5:
            counts["reasoning"] = chance.randint(0, 200)
        if chance.random() < 0.5:
            counts["cached"] = chance.randint(0, 40)
        if model.startswith(("claude", "gpt")) and chance.random() < 0.4:
            counts["cache_write"] = chance.randint(0, 20)
        if model.startswith("claude") and chance.random() < 0.4:
            counts["cache_write_1h"] = chance.randint(0, 20)
        text = " ".join(f"{name}={count}" for name, count in counts.items())
        yield Call(model=model, stream=n % 2 == 1, directive=text)


def left_calls(model: str, number: int, chance: random.Random) -> Iterator[Call]:
    """Streams of 20 to 100 chunks a second that their client leaves after a random number of them."""
    for _ in range(number):
        rate, tokens = chance.randint(20, 100), chance.randint(50, 200)
        after = chance.randint(1, max(2, tokens * 3 // 4))
        yield Call(model=model, stream=True, directive=f"tokens={tokens} rate={rate}", leave_after=after)


async def play(system: System, *, requests: int, aborts: int, chance: random.Random) -> list[Goal]:
    """`requests` of each model, then `aborts` of each."""
    [key] = await system.keys(1, budget_pico=None)
    completed = [call for model in MODELS for call in completed_calls(model, requests, chance)]
    left = [call for model in LEFT_MODELS for call in left_calls(model, aborts, chance)]
    chance.shuffle(completed)
    chance.shuffle(left)
    async with session() as opened:
        client = Client(opened, system.url, key.key)
        answered = await so_many_at_once(client, completed, at_once=AT_ONCE)
        abandoned = await at_rate(client, left, rate=LEFT_AT_RATE)
    open_holds = await system.no_open_holds(within_s=HOLDS_CLOSE_WITHIN_S)
    await asyncio.sleep(0.1)  # until the meter has written the last of them down
    meter, usage = system.meter(), system.usage([key.record.id])
    return [
        none("holds open afterwards", open_holds),
        *_completed(answered, meter, usage),
        *_left(abandoned, meter, usage),
    ]


def _completed(ended: list[Ended], meter: Mapping[str, list[Line]], usage: Mapping[str, Used]) -> list[Goal]:
    failed = Counter(e.code or e.outcome for e in ended if e.outcome != "done")
    calls = [f"{e.request_id}/0" for e in ended if e.outcome == "done"]
    differing = [call for call in calls if not _equal(meter.get(call, []), usage.get(call))]
    ours = sum(usage[call].cost_pico for call in calls if call in usage)
    theirs = billed(meter, calls)
    return [
        none("requests that fail", [f"{n} {code}" for code, n in failed.items()], of=len(ended)),
        none("completed calls whose row differs from the meter's line", differing, of=len(calls)),
        Goal(
            "completed calls, ledger less meter, 0 pico-USD", f"{ours - theirs} of {theirs:,}", ours == theirs
        ),
    ]


def _equal(lines: list[Line], used: Used | None) -> bool:
    if used is None or len(lines) != 1:
        return False
    [line] = lines
    tokens = [*line.tokens(), line.reasoning_tokens]
    return used.status == "completed" and used.tokens == tokens and used.cost_pico == true_pico(line)


def _left(ended: list[Ended], meter: Mapping[str, list[Line]], usage: Mapping[str, Used]) -> list[Goal]:
    """One goal for all of them; how far each model is off stands beside it."""
    calls = [f"{e.request_id}/0" for e in ended if e.outcome == "left"]
    beside, ours, theirs = [], 0, 0
    for model in LEFT_MODELS:
        of_model = [f"{e.request_id}/0" for e in ended if e.outcome == "left" and e.call.model == model]
        charged = sum(usage[call].cost_pico for call in of_model if call in usage)
        true = billed(meter, of_model)
        ours, theirs = ours + charged, theirs + true
        beside.append(f"{model} {100 * (charged / max(true, 1) - 1):+.2f} %")
    unpaid = [call for call in calls if call not in usage or usage[call].cost_pico == 0]
    unbilled = [call for call in calls if call not in meter]
    return [
        none("abandoned streams that are charged nothing", unpaid, of=len(calls)),
        none("abandoned streams that the meter does not have", unbilled, of=len(calls)),
        at_most(
            "abandoned streams, ledger against meter in sum",
            100 * abs(ours / max(theirs, 1) - 1),
            goal=0.5,
            unit="%",
            beside=f" ({', '.join(beside)})",
        ),
    ]
