"""Providers that fail in every way they know, through real HTTP on loopback, and what clients see of it."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from models.breaker import IN_A_ROW, LEAST_CALLS, OPEN_S
from models.breakers import Breakers
from models.conditions import Conditions
from models.providers.clients import preload
from models.timeouts import Timeouts
from tests.asgi import Response
from tests.contract.product import Adapters, Product
from tests.contract.samples import ANTHROPIC, GOOGLE, OPENAI, SAID, Sample
from tests.contract.scripted import (
    Answer,
    HangUp,
    Script,
    ScriptedProvider,
    Silence,
    Stream,
    scripted_provider,
)

HOSTS = {"openai": OPENAI, "anthropic": ANTHROPIC, "google": GOOGLE}
MODELS = {"openai": "gpt-5.4-mini", "anthropic": "claude-haiku-4-5", "google": "gemini-3.5-flash"}
FIRST, OTHER = MODELS["openai"], MODELS["anthropic"]


class World:
    """The product between a client and three providers."""

    def __init__(self, providers: dict[str, ScriptedProvider], made: Product) -> None:
        self.providers = providers
        self.product = made
        self.now = time.monotonic()
        breakers = Breakers(clock=lambda: self.now, draw=lambda: 0.5)
        made.gateway.router.conditions = Conditions(breakers=breakers)

    @property
    def first(self) -> ScriptedProvider:
        return self.providers["openai"]

    async def ask(self, *, stream: bool = False, model: str = FIRST, **headers: str) -> Response:
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": "hi"}],
            "stream": stream,
        }
        named = {f"x-polyvox-{name.replace('_', '-')}": value for name, value in headers.items()}
        return await self.product.client.request("POST", "/v1/chat/completions", body, headers=named)

    async def settled(self) -> list[tuple[str, str]]:
        """Of every attempt: the model and how it ended. Nothing is held any more."""
        await self.product.calls.settle_all()
        assert self.product.ledger.store.holds == {}
        return [(record.model_id, record.status) for record in self.product.ledger.records]

    def asked(self, host: str) -> int:
        return len(self.providers[host].requests)


def answers(sample: Sample, *, stream: bool) -> Script:
    return Stream(sample.events) if stream else Answer(body=sample.answer)


async def world_at(bases: dict[str, str], stack: AsyncExitStack) -> World:
    """`bases` are where some hosts are said to be, rather than where they answer."""
    providers = {host: await stack.enter_async_context(scripted_provider()) for host in HOSTS}
    at = {host: providers[host].url + sample.base_path for host, sample in HOSTS.items()} | bases
    adapters = Adapters(at, key="a key of ours")
    stack.push_async_callback(adapters.close)
    made = Product(adapters)
    stack.push_async_callback(made.calls.settle_all)
    made.gateway.timeouts = Timeouts(connect_s=0.3, first_byte_s=5.0, idle_s=5.0, total_s=20.0)
    for host, sample in HOSTS.items():
        providers[host].script = answers(sample, stream=False)
    return World(providers, made)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """The SDKs, which takes seconds: no request is to wait for that."""
    for sample in HOSTS.values():
        preload(sample.protocol)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield await world_at({}, stack)


@pytest.fixture
def closed_port() -> Iterator[str]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """Takes no connection and refuses none: its queue is full."""
    listening, waiting = socket.socket(), [socket.socket() for _ in range(4)]
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(listening.getsockname())
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    for one in (*waiting, listening):
        one.close()


# U-1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("status", "retry_after"), [(429, None), (429, "1"), (500, None), (502, None), (503, None), (529, None)]
)
async def test_u1_a_dead_primary_is_hidden_and_hardly_asked(
    world: World, status: int, retry_after: str | None, stream: bool
) -> None:
    headers = {"Retry-After": retry_after} if retry_after else {}
    world.first.script = Answer(status, OPENAI.error(status, "no"), headers)
    world.providers["anthropic"].script = answers(ANTHROPIC, stream=stream)
    number = 60
    replies = [await world.ask(stream=stream, fallback=OTHER) for _ in range(number)]
    assert [reply.status for reply in replies] == [200] * number
    assert all("Par" in reply.body.decode() for reply in replies)
    assert all(reply.headers["x-polyvox-fallback-from"] == FIRST for reply in replies)
    assert world.asked("openai") == (1 if retry_after else IN_A_ROW)
    assert world.asked("openai") + world.asked("anthropic") <= 1.2 * number


@pytest.mark.parametrize("status", [400, 422])
async def test_u1_what_is_wrong_with_a_request_is_asked_of_nobody_else(world: World, status: int) -> None:
    world.first.script = Answer(status, OPENAI.error(status, "no"))
    assert (await world.ask(fallback=OTHER)).status == 400
    assert (world.asked("openai"), world.asked("anthropic")) == (1, 0)


@pytest.mark.parametrize("status", [401, 403])
async def test_u1_a_key_that_is_refused_is_not_tried_again_there(world: World, status: int) -> None:
    world.first.script = Answer(status, OPENAI.error(status, "no"))
    same_host, _ = "gpt-6-luna", await world.ask()
    assert world.asked("openai") == 1
    assert (await world.ask(fallback=f"{same_host}, {OTHER}")).headers["x-polyvox-model"] == OTHER
    assert world.asked("openai") == 2


async def test_u1_a_prompt_that_one_will_not_answer_another_may(world: World) -> None:
    error = {"message": "flagged", "type": "invalid_request_error", "code": "content_policy_violation"}
    world.first.script = Answer(400, json.dumps({"error": error}).encode())
    assert (await world.ask(fallback=f"gpt-6-luna,{OTHER}")).headers["x-polyvox-model"] == OTHER
    assert world.asked("openai") == 1


async def test_u1_auto_walks_on_too(world: World) -> None:
    world.first.script = Answer(503, OPENAI.error(503, "no"))
    world.providers["anthropic"].script = Answer(529, ANTHROPIC.error(529, "no"))
    replies = [await world.ask(model="auto") for _ in range(20)]
    assert {reply.status for reply in replies} == {200}
    assert {reply.headers["x-polyvox-provider"] for reply in replies} == {"google"}


# U-2


async def _found_out(world: World) -> None:
    """Soon nobody asks the first one any more; then a single call sees whether it is back."""
    attempts: list[int] = []
    while not attempts or attempts[-1] > 1:
        reply = await world.ask(fallback=OTHER)
        assert reply.status == 200
        attempts.append(int(reply.headers["x-polyvox-attempts"]))
        assert len(attempts) <= LEAST_CALLS
    later = [await world.ask(fallback=OTHER) for _ in range(10)]
    assert {reply.headers["x-polyvox-attempts"] for reply in later} == {"1"}
    world.now += OPEN_S
    replies = await asyncio.gather(*(world.ask(fallback=OTHER) for _ in range(20)))
    assert {reply.status for reply in replies} == {200}
    assert sorted(reply.headers["x-polyvox-attempts"] for reply in replies)[-2:] == ["1", "2"]


async def test_u2_connections_that_are_refused(closed_port: str) -> None:
    async with AsyncExitStack() as stack:
        await _found_out(await world_at({"openai": closed_port}, stack))


async def test_u2_a_black_hole(black_hole: str) -> None:
    async with AsyncExitStack() as stack:
        await _found_out(await world_at({"openai": black_hole}, stack))


async def test_u2_a_name_that_there_is_not() -> None:
    async with AsyncExitStack() as stack:
        await _found_out(await world_at({"openai": "http://nowhere.invalid/v1"}, stack))


async def test_u2_a_provider_that_comes_back_is_asked_again(world: World) -> None:
    world.first.script = Answer(500)
    for _ in range(IN_A_ROW):
        await world.ask(fallback=OTHER)
    world.first.script = answers(OPENAI, stream=False)
    world.now += OPEN_S
    replies = [await world.ask(fallback=OTHER) for _ in range(10)]
    assert {reply.headers["x-polyvox-model"] for reply in replies} == {FIRST}


async def test_u2_where_there_is_nobody_else_the_provider_itself_is_heard(world: World) -> None:
    """Whoever's requests have opened the breaker: others' may be fine."""
    world.product.gateway.patience_s = 0.1
    world.first.script = Answer(500)
    statuses = {(await world.ask()).status for _ in range(2 * IN_A_ROW)}
    assert statuses == {502}
    world.first.script = Answer(body=OPENAI.answer)
    assert (await world.ask()).status == 200


# U-3

hang = Silence()


@pytest.mark.parametrize(
    ("script", "limits", "says"),
    [
        (hang, {"first_byte_s": 0.4}, "first-byte time limit"),
        (Stream(OPENAI.events[:1], end="never"), {"idle_s": 0.4}, "idle time limit"),
        (Stream([OPENAI.events[0], *[b": \n\n"] * 50], gap_s=0.05), {"total_s": 0.6}, "total time limit"),
    ],
    ids=["before headers", "in mid-stream", "drip by drip"],
)
async def test_u3_each_silence_ends_by_its_own_timer(
    world: World, script: Script, limits: dict[str, float], says: str
) -> None:
    world.product.gateway.timeouts = Timeouts(**limits)
    world.first.script = script
    began = time.monotonic()
    reply = await world.ask(stream=True)
    assert time.monotonic() - began >= 0.9 * next(iter(limits.values()))
    assert says in reply.body.decode()
    await asyncio.wait_for(world.first.disconnected.wait(), 2)
    assert await world.settled() == [(FIRST, "failed")]
    assert world.product.ledger.records[0].cost_pico > 0
    assert world.product.ledger.records[0].estimated


async def test_u3_a_whole_answer_that_hangs_ends_by_the_total(world: World) -> None:
    world.product.gateway.timeouts = Timeouts(total_s=0.4)
    world.first.script = hang
    reply = await world.ask()
    assert (reply.status, "time limit" in reply.body.decode()) == (504, True)
    assert await world.settled() == [(FIRST, "failed")]


async def test_u3_one_that_hangs_before_headers_is_left_for_another(world: World) -> None:
    world.product.gateway.timeouts = Timeouts(first_byte_s=0.3)
    world.first.script = hang
    world.providers["anthropic"].script = answers(ANTHROPIC, stream=True)
    reply = await world.ask(stream=True, fallback=OTHER)
    assert (reply.status, reply.headers["x-polyvox-model"]) == (200, OTHER)
    assert await world.settled() == [(FIRST, "failed"), (OTHER, "completed")]


# U-4


async def test_u4_an_error_event_before_any_content_is_nobodys_answer(world: World) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    event = b"event: error\ndata: " + json.dumps(overloaded).encode() + b"\n\n"
    world.providers["anthropic"].script = Stream([ANTHROPIC.events[0], event])
    world.first.script = answers(OPENAI, stream=True)
    reply = await world.ask(stream=True, model=OTHER, fallback=FIRST)
    assert (reply.status, reply.headers["x-polyvox-model"]) == (200, FIRST)
    events = reply.events()
    assert events[-1] == "[DONE]"
    assert not any("error" in event for event in events[:-1])
    assert sum(event["choices"][0]["delta"].get("role") == "assistant" for event in events[:-1]) == 1
    assert _said(events) == SAID


# U-5


def _said(events: list[Any]) -> str:
    deltas = [event["choices"][0]["delta"] for event in events if event != "[DONE]" and event.get("choices")]
    return "".join(delta.get("content") or "" for delta in deltas)


ends: list[Script] = [
    Stream(
        [*OPENAI.events[:1], b'data: {"error": {"message": "no", "type": "server_overloaded"}}\n\n'],
    ),
    Stream(OPENAI.events[:1], end="cut"),
    Stream(OPENAI.events[:1]),
    Stream([*OPENAI.events[:1], b"data: {nonsense\n\n"]),
    HangUp(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n"
        + OPENAI.events[0]
    ),
]
every_end = pytest.mark.parametrize(
    "script", ends, ids=["an error event", "a cut", "an early end", "nonsense", "a hang-up"]
)


@every_end
async def test_u5_a_stream_that_breaks_ends_in_one_error_and_nobody_else_is_spliced_in(
    world: World, script: Script
) -> None:
    world.first.script = script
    world.providers["anthropic"].script = answers(ANTHROPIC, stream=True)
    reply = await world.ask(stream=True, fallback=OTHER)
    *events, last = reply.events()
    assert _said(events) == "Par"
    assert "error" in last
    assert world.asked("anthropic") == 0
    assert await world.settled() == [(FIRST, "failed")]
    [record] = world.product.ledger.records
    assert record.estimated
    assert record.cost_pico > 0


@every_end
async def test_u5_with_leave_another_goes_on_with_it(world: World, script: Script) -> None:
    world.first.script = script
    rest = [
        event.replace(b'"Par"', b'"is"').replace(b'"is."', b'" in France."') for event in ANTHROPIC.events
    ]
    world.providers["anthropic"].script = Stream(rest)
    reply = await world.ask(stream=True, fallback=OTHER, on_stream_failure="continue")
    events = reply.events()
    assert _said(events) == "Paris in France."
    assert events[-1] == "[DONE]"
    assert not any("error" in event for event in events[:-1])
    assert [leg["model"] for leg in events[-2]["x_polyvox"]["continued"]] == [FIRST, OTHER]
    assert await world.settled() == [(FIRST, "failed"), (OTHER, "completed")]
    [asked] = world.providers["anthropic"].requests
    assert json.loads(asked.body)["messages"][-1]["content"][0]["text"] == "Par"  # the beginning of its own


# U-9


async def test_u9_the_quicker_answers_and_the_other_ones_connection_is_closed(world: World) -> None:
    world.first.script = hang
    world.providers["anthropic"].script = answers(ANTHROPIC, stream=True)
    reply = await world.ask(stream=True, fallback=OTHER, hedge="60")
    assert _said(reply.events()) == SAID
    assert (reply.headers["x-polyvox-model"], reply.headers["x-polyvox-attempts"]) == (OTHER, "2")
    await asyncio.wait_for(world.first.disconnected.wait(), 2)
    assert sorted(await world.settled()) == sorted([(FIRST, "cancelled"), (OTHER, "completed")])
    assert all(record.cost_pico > 0 for record in world.product.ledger.records)
