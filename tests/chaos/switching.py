"""What conversations cost in time: a switch to another model, and a turn more than a plain request.

One warm client, one request at a time. The sandbox answers at once, and no switch calls a provider: what is
timed is Polyvox itself, from the client's socket and back.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from statistics import median
from typing import Any
from uuid import uuid4

import aiohttp

from tests.bench.figures import quantile
from tests.chaos.client import MODELS, session
from tests.chaos.goals import Goal, at_most
from tests.chaos.prose import Prose
from tests.chaos.system import System
from tests.serve.stack import wait_until

TURNS = 1_000
SHORT_TURNS = 40
CONVERSATIONS = 8
SWITCHES = 200
PAIRS = 300
PAIRS_EACH = 10
"""In each conversation of 40 turns, which would grow too long otherwise."""
COLD = 24
REPLICAS = 3
KNOWN_WITHIN_S = 30.0
PAUSE_S = 1.0
"""From an answer to a switch, in which it is made ready."""
SMALL = ("small-gpt", "small-claude", "small-gemini")
"""Models whose window takes a quarter of a conversation of 1,000 turns."""
_HOSTS = ("openai", "anthropic", "google")
_SMALL = """
[[models]]
id = "{id}"
wire_name = "{wire_name}"
host = "{host}"
tier = "small"
auto = false
window = 40_000
max_input = 36_000
max_output = 4_000
capabilities = ["tools", "parallel_tools", "streaming"]
[[models.prices]]
from = 2026-11-01
source = "made up"
rates = [{{ input = "1", output = "1" }}]
"""

Messages = list[dict[str, str]]


async def play(
    system: System,
    *,
    switches: int = SWITCHES,
    pairs: int = PAIRS,
    cold: int = COLD,
    turns: int = TURNS,
    chance: random.Random,
) -> list[Goal]:
    async with session() as opened:
        run = _Run(opened, system, Prose(chance), turns=turns)
        await run.have_small_models()
        return [
            *await run.switched("fits", MODELS, switches, p95_ms=150),
            *await run.switched("compressed", SMALL, switches, p95_ms=400),
            *await run.cold(cold),
            *await run.restarted(REPLICAS),
            *await run.added(SHORT_TURNS, pairs, p50_ms=15),
            *await run.added(turns, pairs, p50_ms=None),
        ]


class _Run:
    def __init__(self, opened: aiohttp.ClientSession, system: System, prose: Prose, *, turns: int) -> None:
        self._session = opened
        self._system = system
        self._prose = prose
        self._turns = turns
        self._headers = {"authorization": f"Bearer {system.stack.key}"}

    async def have_small_models(self) -> None:
        rows = (
            _SMALL.format(id=id, wire_name=wire_name, host=host)
            for id, wire_name, host in zip(SMALL, MODELS, _HOSTS, strict=True)
        )
        (self._system.stack.home / "catalog.toml").write_text("".join(rows))
        conversation = (await self._import(2))[0]
        async with asyncio.timeout(KNOWN_WITHIN_S):
            while not all([await self._knows(conversation, model) for model in SMALL]):
                await asyncio.sleep(0.2)

    async def switched(self, name: str, models: Sequence[str], switches: int, *, p95_ms: float) -> list[Goal]:
        """Around all pairs of different models: with nothing said since the last switch, some time after an
        answer, and right after one."""
        made = [(await self._import(self._turns))[0] for _ in range(CONVERSATIONS)]
        for conversation in made:
            await self._switch(conversation, models[-1], compressed=models is SMALL)
            await self._send(conversation, models[-1], "Shall we go on?")
        await asyncio.sleep(PAUSE_S)
        goals = []
        for when, said, number in (
            ("quiet", False, switches),
            ("a second after a turn", True, switches // 2),
        ):
            times = await self._tour(made, models, number, said=said, pause_s=PAUSE_S if said else 0.0)
            goals.append(_figure(f"switch, {name}, {when}", times, 0.95, goal_ms=p95_ms))
        times = await self._tour(made, models, switches // 4, said=True, pause_s=0.0)
        return [*goals, _figure(f"switch, {name}, right after a turn", times, 0.95, goal_ms=None)]

    async def cold(self, number: int) -> list[Goal]:
        """Of conversations that have just been imported."""
        times: dict[str, list[float]] = {"fits": [], "compressed": []}
        for at in range(number):
            name, models = (("fits", MODELS), ("compressed", SMALL))[at % 2]
            conversation, _ = await self._import(self._turns)
            took = await self._switch(conversation, models[at % 3], compressed=models is SMALL)
            times[name].append(took)
        return [
            _figure(f"switch, {name}, just imported", took, 1.0, goal_ms=1_500)
            for name, took in times.items()
        ]

    async def restarted(self, number: int) -> list[Goal]:
        """Of a conversation that a new replica has never seen, as its first request."""
        conversation, _ = await self._import(self._turns)
        times = []
        for at in range(number):
            [replica] = self._system.victims("ContextEngine")
            replica.kill()
            await asyncio.to_thread(self._await_replica, replica.pid)
            times.append(await self._switch(conversation, SMALL[at % 3], compressed=True))
        return [_figure("switch, compressed, by a new replica", times, 1.0, goal_ms=1_500)]

    async def added(self, turns: int, pairs: int, *, p50_ms: float | None) -> list[Goal]:
        """By turn a turn of a conversation and a request that sends the same messages."""
        plain: list[float] = []
        spoken: list[float] = []
        while len(plain) < pairs:
            conversation, said = await self._import(turns)
            model = MODELS[len(plain) // PAIRS_EACH % 3]
            for number in range(PAIRS_EACH + 1):
                question = self._prose.sentence()
                asked = [*said, {"role": "user", "content": question}]
                first = number % 2 == 0
                took = await self._complete(asked, model) if first else 0.0
                there, answer = await self._send(conversation, model, question)
                took = took if first else await self._complete(asked, model)
                said = [*asked, {"role": "assistant", "content": answer}]
                if number:  # the first has the conversation read
                    plain.append(took)
                    spoken.append(there)
        name = f"send-with-model at {turns:,} turns"
        return [_added(name, plain, spoken, goal_ms=p50_ms)]

    async def _tour(
        self, made: Sequence[str], models: Sequence[str], switches: int, *, said: bool, pause_s: float
    ) -> list[float]:
        times = []
        for at in range(switches):
            conversation = made[at % len(made)]
            if said:
                await self._send(conversation, models[at // len(made) % 3 - 1], self._prose.sentence())
                await asyncio.sleep(pause_s)
            to = models[at // len(made) % 3]
            times.append(await self._switch(conversation, to, compressed=models is SMALL))
        return times

    async def _switch(self, conversation: str, model: str, *, compressed: bool) -> float:
        body = {"conversationId": conversation, "newModelId": model}
        took, shown = await self._post("/api/chat/switch-model", body)
        assert shown["modelId"] == model
        assert shown["compressed"] == compressed, f"{model}: {shown['contextReport']}"
        assert compressed or shown["preservationScore"] == 1.0
        return took

    async def _send(self, conversation: str, model: str, text: str) -> tuple[float, str]:
        body = {"conversationId": conversation, "message": text, "modelId": model}
        took, shown = await self._post("/api/chat/send-with-model", body)
        return took, str(shown["message"]["content"])

    async def _complete(self, messages: Messages, model: str) -> float:
        took, _ = await self._post("/v1/chat/completions", {"model": model, "messages": messages})
        return took

    async def _import(self, turns: int) -> tuple[str, Messages]:
        messages = self._prose.conversation(turns)
        conversation = str(uuid4())
        body = {"id": conversation, "format": "openai", "conversation": {"messages": messages}}
        await self._post("/v1/conversations/import", body)
        return conversation, messages

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[float, Any]:
        """Milliseconds from the first byte out to the last byte in, and what was answered."""
        began = time.perf_counter()
        async with self._session.post(self._system.url + path, json=body, headers=self._headers) as response:
            text = await response.read()
            took = (time.perf_counter() - began) * 1e3
            assert response.status in (200, 201), text.decode()
            return took, await response.json()

    async def _knows(self, conversation: str, model: str) -> bool:
        body = {"conversationId": conversation, "newModelId": model}
        url = f"{self._system.url}/api/chat/switch-model"
        async with self._session.post(url, json=body, headers=self._headers) as response:
            return response.status == 200

    def _await_replica(self, dead: int) -> None:
        wait_until(
            lambda: any(process.pid != dead for process in self._system.victims("ContextEngine")), within_s=60
        )
        self._system.stack.wait_until_ready(within_s=60)


def _figure(said: str, times: Sequence[float], q: float, *, goal_ms: float | None) -> Goal:
    ordered = sorted(times)
    p50, p95, p99 = (quantile(ordered, q) for q in (0.5, 0.95, 0.99))
    all_of_it = f"p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f}, most {ordered[-1]:.0f} ms, {len(times)} times"
    if goal_ms is None:
        return Goal(said, all_of_it, held=True)
    name = "the longest" if q == 1.0 else f"p{100 * q:.0f}"
    return at_most(f"{said}, {name}", quantile(ordered, q), goal=goal_ms, unit="ms", beside=f" ({all_of_it})")


def _added(said: str, plain: Sequence[float], spoken: Sequence[float], *, goal_ms: float | None) -> Goal:
    added = median(there - here for there, here in zip(spoken, plain, strict=True))
    beside = (
        f"p50 {median(spoken):.1f} ms against {median(plain):.1f} ms of a plain request, {len(plain)} pairs"
    )
    if goal_ms is None:
        return Goal(f"{said} adds, p50", f"{added:.1f} ms ({beside})", held=True)
    return at_most(f"{said} adds, p50", added, goal=goal_ms, unit="ms", beside=f" ({beside})")
