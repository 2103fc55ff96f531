"""The ledger against the sandbox's meter: equal for what was completed, near for what was left."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from deployments.sandbox.line import Line
from tests.chaos.client import MODELS, Call, Client, Ended, at_rate, session, so_many_at_once
from tests.chaos.goals import Goal, at_most, none
from tests.chaos.system import System, Used, billed, true_pico

PLAIN = ("gpt-5.6-luna", "claude-haiku-4-5", "gemini-3.8-flash")
"""What nobody was told has to be judged by other calls of the same model: these have no reasoning in them."""
THINKING = ("gpt-5.6-terra", "gpt-6-luna", "gemini-3.7-flash")
"""These think before they speak, and do not tell how much before the end."""
AT_A_STROKE = "gpt-6-sol"
"""Thinks as well, and in no time at all, as no provider can: then the effort is all that one that is left
can be judged by. It is shown and no goal."""
LEFT_MODELS = (*PLAIN, *THINKING)

THOUGHTS = {"low": (20, 80), "medium": (60, 240), "high": (180, 720)}
"""Reasoning tokens by effort, from the fewest to the most."""
THOUGHTS_PER_S = 200.0

AT_ONCE = 32
LEFT_AT_RATE = 25.0
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


def thinking_calls(model: str, number: int, chance: random.Random, *, leave: bool) -> Iterator[Call]:
    """Of mixed efforts, each thought over for as long as so many tokens take."""
    efforts = list(THOUGHTS)
    for call in left_calls(model, number, chance):
        effort = chance.choice(efforts)
        thoughts = chance.randint(*THOUGHTS[effort])
        wait_s = 0.0 if model == AT_A_STROKE else thoughts / THOUGHTS_PER_S
        about = f"reasoning={thoughts} delay={wait_s:.3f}"
        if leave:
            yield replace(call, directive=f"{call.directive} {about}", effort=effort)
        else:
            yield Call(model=model, stream=True, directive=f"tokens=50 {about}", effort=effort)


async def play(
    system: System, *, requests: int, aborts: int, thinking: int = 0, chance: random.Random
) -> list[Goal]:
    """`requests` of each model, then `aborts` of each that is plain and `thinking` of each that thinks.

    Of the latter as many more are seen to their end, half of them beforehand: by those the others are judged.
    """
    [key] = await system.keys(1, budget_pico=None)
    completed = [call for model in MODELS for call in completed_calls(model, requests, chance)]
    left = [call for model in PLAIN for call in left_calls(model, aborts, chance)]
    seen: list[Call] = []
    for model in (*THINKING, AT_A_STROKE):
        seen += thinking_calls(model, thinking, chance, leave=False)
        left += thinking_calls(model, thinking, chance, leave=True)
    for calls in (completed, seen, left):
        chance.shuffle(calls)
    async with session() as opened:
        client = Client(opened, system.url, key.key)
        answered = await so_many_at_once(client, completed, at_once=AT_ONCE)
        answered += await at_rate(client, seen[::2], rate=LEFT_AT_RATE)
        mixed = seen[1::2] + left
        chance.shuffle(mixed)
        later = await at_rate(client, mixed, rate=LEFT_AT_RATE)
    answered += [e for e in later if e.call.leave_after is None]
    abandoned = [e for e in later if e.call.leave_after is not None]
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
    calls = {
        model: [f"{e.request_id}/0" for e in ended if e.outcome == "left" and e.call.model == model]
        for model in (*LEFT_MODELS, AT_A_STROKE)
    }
    every = [call for of_model in calls.values() for call in of_model]
    unpaid = [call for call in every if call not in usage or usage[call].cost_pico == 0]
    unbilled = [call for call in every if call not in meter]
    judged = [call for model in LEFT_MODELS for call in calls[model]]
    beside = {model: f"{model} {_off(of, meter, usage):+.2f} %" for model, of in calls.items() if of}
    at_a_stroke = beside.pop(AT_A_STROKE, "none were")
    return [
        none("abandoned streams that are charged nothing", unpaid, of=len(every)),
        none("abandoned streams that the meter does not have", unbilled, of=len(every)),
        at_most(
            "abandoned streams, ledger against meter in sum",
            abs(_off(judged, meter, usage)),
            goal=0.5,
            unit="%",
            beside=f" ({', '.join(beside.values())})",
        ),
        Goal("abandoned streams of which nothing tells how much was thought", at_a_stroke, held=True),
    ]


def _off(calls: list[str], meter: Mapping[str, list[Line]], usage: Mapping[str, Used]) -> float:
    """How much more was charged than billed, in per cent."""
    charged = sum(usage[call].cost_pico for call in calls if call in usage)
    return 100 * (charged / max(billed(meter, calls), 1) - 1)
