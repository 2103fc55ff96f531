"""Streams of every dialect: signs of life, clients that leave, what fails on the way."""

import asyncio
from typing import Any

import pytest

from deployments.api.exchange import EVENT_STREAM, REQUEST_ID, Exchange
from deployments.api.gemini import SIGN
from deployments.api.streaming import KEEP_ALIVE, stream
from models.caller import Caller
from models.chat import ChatRequest, Finished, Message, Started, Text, TextDelta
from models.dialects.anthropic_stream import PING
from models.dialects.openai_chat_stream import StreamEncoder
from models.doubles import play
from models.errors import Internal
from models.identity import Principal
from tests.unit.api.ways_in import USAGE, Stage

ASKED = ChatRequest(model="gpt-5.4-mini", messages=(Message("user", (Text("hi"),)),), stream=True)
HELLO: dict[str, dict[str, Any]] = {
    "/v1/messages": {
        "model": "gpt-5.4-mini",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    },
    "/v1/responses": {"model": "gpt-5.4-mini", "input": "hi", "store": False},
    "/v1/chat/completions": {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/models/gpt-5.4-mini:streamGenerateContent": {"contents": "hi"},
}


def body(path: str) -> dict[str, Any]:
    return HELLO[path] if path.startswith("/v1/models") else HELLO[path] | {"stream": True}


class Wire:
    """What is written to a client, which is heard of when it is `awaited` so often."""

    def __init__(self, awaited: bytes, times: int) -> None:
        self.written: list[bytes] = []
        self.heard = asyncio.Event()
        self._awaited = awaited
        self._times = times

    async def send(self, message: Any) -> None:
        self.written.append(message.get("body", b""))
        if self.written.count(self._awaited) >= self._times:
            self.heard.set()

    async def receive(self) -> Any:
        raise AssertionError("nothing is read")


@pytest.mark.parametrize("sign", [KEEP_ALIVE, PING, SIGN])
async def test_where_nothing_comes_there_is_a_sign_of_life(sign: bytes) -> None:
    wire = Wire(sign, times=3)
    script = play([Started("i", "m"), TextDelta("a")], wire.heard, [TextDelta("b"), Finished("stop", USAGE)])
    reply = await Stage(script).gateway.chat(
        ASKED, Caller(Principal("k", "u", "t"), request_id="req_1", endpoint="/v1/messages")
    )
    scope = {"method": "POST", "path": "/", "headers": [], REQUEST_ID: "req_1"}
    encoder = StreamEncoder(id="i", model="m", created=0, include_usage=False)
    await stream(
        Exchange(scope, wire.receive, wire.send),
        reply,
        encoder,
        headers=EVENT_STREAM,
        failed=lambda error: encoder.error({"message": error.message}),
        sign=sign,
        every_s=0.001,
    )
    begun = wire.written.index(sign)
    assert b'"content":"a"' in wire.written[begun - 1]
    assert b'"content":"b"' in wire.written[-2]
    assert wire.written[-1] == b""
    signs = wire.written.count(sign)
    await asyncio.sleep(0)
    assert wire.written.count(sign) == signs >= 3


@pytest.mark.parametrize("path", HELLO)
async def test_a_client_that_leaves_stops_the_provider(path: str) -> None:
    never = asyncio.Event()
    stage = Stage(play([Started("i", "m"), TextDelta("a")], never))
    await stage.client.request("POST", path, body(path), leave_after=1)
    assert stage.providers.left == stage.providers.calls


@pytest.mark.parametrize("path", HELLO)
async def test_a_bug_on_the_way_is_told_without_its_text(path: str) -> None:
    stage = Stage(play([Started("i", "m"), TextDelta("a")], Internal("no attribute at 10.0.0.1")))
    response = await stage.client.request("POST", path, body(path))
    assert response.status == 200
    assert response.ended
    assert b"internal error" in response.body
    assert b"10.0.0.1" not in response.body


@pytest.mark.parametrize("path", HELLO)
async def test_streams_tell_who_answers_before_they_do(path: str) -> None:
    stage = Stage(play([Started("i", "m"), TextDelta("a")], [Finished("stop", USAGE)]))
    response = await stage.client.request("POST", path, body(path))
    assert response.headers["x-polyvox-model"] == "gpt-5.4-mini"
    assert response.headers["x-polyvox-request-id"] == "req_1"
    assert "x-polyvox-cost-usd" not in response.headers
