"""How far to go for an answer: what headers say, in every dialect, and what answers say of it."""

import asyncio
from typing import Any

import httpx2
import pytest

from models.chat import Finished, Started, Text, TextDelta
from models.conversations import Owner, new_conversation
from models.doubles import Script
from models.errors import ProviderOverloaded, ProviderUnavailable
from models.providers.call import ProviderCall
from tests.unit.api.ways_in import CATALOG, KEY, USAGE, Stage, says

FIRST, OTHER = "gpt-5.4-mini", "claude-haiku-5-5"
HI = [{"role": "user", "content": "hi"}]
ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": FIRST, "messages": HI}),
    "responses": ("/v1/responses", {"model": FIRST, "input": "hi", "store": False}),
    "messages": ("/v1/messages", {"model": FIRST, "max_tokens": 50, "messages": HI}),
    "gemini": (f"/v1beta/models/{FIRST}:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}),
}
STREAMS = ASKS | {
    "gemini": (f"/v1beta/models/{FIRST}:streamGenerateContent?alt=sse", ASKS["gemini"][1]),
}


async def ask(stage: Stage, dialect: str, *, stream: bool = False, **headers: str) -> httpx2.Response:
    path, body = (STREAMS if stream else ASKS)[dialect]
    if stream and dialect != "gemini":
        body = body | {"stream": True}
    sent = {f"x-polyvox-{name.replace('_', '-')}": value for name, value in headers.items()}
    async with stage.http() as http:
        return await http.post(path, json=body, headers={"authorization": f"Bearer {KEY}", **sent})


def busy_first(call: ProviderCall) -> Script:
    if call.model == FIRST:
        yield ProviderOverloaded("busy", status=529)
    yield from says(Text("Hello"))(call)


@pytest.mark.parametrize("dialect", ASKS)
@pytest.mark.parametrize("fallback", [OTHER, f" gemini-3.5-flash , {OTHER}", "auto", "auto:cheap"])
async def test_u1_who_fell_back_on_whom_is_said(dialect: str, fallback: str) -> None:
    answer = await ask(Stage(busy_first), dialect, fallback=fallback)
    assert answer.status_code == 200
    assert answer.headers["x-polyvox-fallback-from"] == FIRST
    assert answer.headers["x-polyvox-model"] in CATALOG.models
    assert answer.headers["x-polyvox-attempts"] == "2"


@pytest.mark.parametrize("dialect", ASKS)
async def test_without_the_header_nobody_falls_back(dialect: str) -> None:
    stage = Stage(busy_first)
    answer = await ask(stage, dialect)
    assert answer.status_code in (503, 529)
    assert {call.model for call in stage.providers.calls} == {FIRST}
    answer = await ask(Stage(says(Text("Hello"))), dialect, fallback=OTHER)
    assert "x-polyvox-fallback-from" not in answer.headers


@pytest.mark.parametrize("dialect", ASKS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fallback", "gpt 4"),
        ("fallback", "a,b,c,d,e,f,g,h,i"),
        ("hedge", "maybe"),
        ("hedge", "0"),
        ("hedge", "60001"),
        ("hedge", "9" * 30),
        ("on_stream_failure", "retry"),
    ],
)
async def test_what_makes_no_sense_is_refused(dialect: str, name: str, said: str) -> None:
    stage = Stage(says(Text("Hello")))
    headers: dict[str, Any] = {name: said}
    answer = await ask(stage, dialect, **headers)
    assert (answer.status_code, stage.providers.calls) == (400, [])
    assert f"x-polyvox-{name.replace('_', '-')}" in answer.text or dialect == "messages"


async def test_a_fallback_that_nobody_knows_is_refused() -> None:
    answer = await ask(Stage(says(Text("Hello"))), "chat", fallback="gpt-17")
    assert answer.status_code == 404


@pytest.mark.parametrize("dialect", STREAMS)
async def test_u9_hedging_is_asked_for_by_a_header(dialect: str) -> None:
    def late(call: ProviderCall) -> Script:
        if call.request_id.endswith("/0"):
            yield asyncio.Event()
        yield [Started("i", "m"), TextDelta("quick")]
        yield [Finished("stop", USAGE)]

    answer = await ask(Stage(late), dialect, stream=True, hedge="25", fallback=OTHER)
    assert answer.status_code == 200
    assert "quick" in answer.text
    assert answer.headers["x-polyvox-attempts"] == "2"
    assert answer.headers["x-polyvox-model"] == OTHER


def cut_first(call: ProviderCall) -> Script:
    yield [Started("i", "m"), TextDelta("One" if call.model == FIRST else " and two")]
    yield ProviderUnavailable("cut") if call.model == FIRST else [Finished("stop", USAGE)]


@pytest.mark.parametrize("dialect", STREAMS)
async def test_u5_a_stream_goes_on_if_a_header_says_so(dialect: str) -> None:
    answer = await ask(Stage(cut_first), dialect, stream=True, on_stream_failure="continue", fallback=OTHER)
    assert "One" in answer.text
    assert " and two" in answer.text
    assert "error" not in answer.text.replace('"error":null', "")
    starts = {
        "chat": '"role":"assistant"',
        "responses": "event: response.created",
        "messages": "message_start",
    }
    if dialect in starts:
        assert answer.text.count(starts[dialect]) == (2 if dialect == "messages" else 1)  # named twice there
    if dialect != "responses":  # whose events have room for nobody else's fields
        assert '"x_polyvox":{"continued":[{"model":"gpt-5.4-mini"' in answer.text
    assert f'"{OTHER}"' in answer.text or dialect == "responses"


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("said", ["error", None])
async def test_u5_otherwise_it_ends_in_one_error(dialect: str, said: str | None) -> None:
    headers: dict[str, Any] = {} if said is None else {"on_stream_failure": said}
    answer = await ask(Stage(cut_first), dialect, stream=True, fallback=OTHER, **headers)
    assert answer.status_code == 200
    assert " and two" not in answer.text
    assert "provider_unavailable" in answer.text.lower()


async def test_a_conversations_next_turn_falls_back_too() -> None:
    stage = Stage(busy_first)
    made = await stage.conversations.create(Owner("t", "u"), new_conversation())
    async with stage.http() as http:
        answer = await http.post(
            "/api/chat/send-with-model",
            json={"conversationId": made.id, "message": "hi", "modelId": FIRST},
            headers={"authorization": f"Bearer {KEY}", "x-polyvox-fallback": OTHER},
        )
    assert answer.status_code == 200
    assert answer.headers["x-polyvox-fallback-from"] == FIRST


WISH = {"x-polyvox-fallback": OTHER, "x-polyvox-on-stream-failure": "continue"}


async def test_u5_openais_sdk_reads_an_answer_in_two_halves() -> None:
    stage = Stage(cut_first)
    stream = await stage.openai().chat.completions.create(
        model=FIRST,
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=WISH,
    )
    chunks = [chunk async for chunk in stream]
    said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert said == "One and two"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens > USAGE.total_input
    told = (chunks[-1].model_extra or {})["x_polyvox"]["continued"]
    assert [leg["model"] for leg in told] == [FIRST, OTHER]


async def test_u5_anthropics_sdk_reads_an_answer_in_two_halves() -> None:
    stage = Stage(cut_first)
    async with stage.anthropic().messages.stream(
        model=FIRST, max_tokens=50, messages=[{"role": "user", "content": "hi"}], extra_headers=WISH
    ) as stream:
        message = await stream.get_final_message()
    [block] = message.content
    assert block.type == "text"
    assert block.text == "One and two"
    assert message.stop_reason == "end_turn"


async def test_u5_googles_sdk_reads_an_answer_in_two_halves() -> None:
    stage = Stage(cut_first)
    google = stage.google(headers=WISH)
    stream = await google.aio.models.generate_content_stream(model=FIRST, contents="hi")
    assert "".join([chunk.text or "" async for chunk in stream]) == "One and two"
