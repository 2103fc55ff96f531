"""What an official SDK costs: processor time of this process per call and per streamed chunk.

The provider is another process that answers fixed bytes. `python -m tests.bench.sdk_cost` prints a
table; the last column relates each figure to a plain aiohttp client on the same machine and minute.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, cast

import aiohttp
import anthropic
import openai
import uvloop
from google import genai
from google.genai import types
from pydantic import SecretStr

from models.chat import ChatRequest, Chunk, Message, Text
from models.providers.adapter import ProviderAdapter
from models.providers.call import ProviderCall
from models.providers.clients import Host, Protocol, connect
from models.providers.profiles import Profiles
from models.providers.sse import SseParser

CONCURRENCY = 16
CALLS = 25
ROUNDS = 4
STREAMS = 16
CHUNKS = 100
MODELS: dict[Protocol, str] = {
    "openai_chat": "gpt-5.5",
    "anthropic_messages": "claude-opus-5-5",
    "google_generate": "gemini-3.5-pro",
}
PROMPT = "What is the capital of France? " * 8


def _openai_event(text: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _anthropic_event(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def _google_event(text: str) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}]}


_OPENAI = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 60, "completion_tokens": 2, "total_tokens": 62},
}
_ANTHROPIC = {
    "id": "c",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Paris."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 60, "output_tokens": 2},
}
_GOOGLE = {
    "responseId": "c",
    "modelVersion": "m",
    "candidates": [{**_google_event("Paris.")["candidates"][0], "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 60, "candidatesTokenCount": 2},
}


def _event(body: dict[str, Any], *, named: bool) -> bytes:
    name = f"event: {body['type']}\n" if named else ""
    return f"{name}data: {json.dumps(body)}\n\n".encode()


class _Provider(asyncio.Protocol):
    """Answers by path: `/v1/chat`, `/v1/messages`, `:generateContent`, and streams paced or in one go."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int((re.search(rb"content-length: (\d+)", head) or [b"", b"0"])[1])
            if len(self._received) < end + 4 + length:
                return
            body, self._received = (
                self._received[end + 4 : end + 4 + length],
                self._received[end + 4 + length :],
            )
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        make: Callable[[str], dict[str, Any]] = _openai_event
        whole: dict[str, Any] = _OPENAI
        if b"/messages" in head:
            make, whole = _anthropic_event, _ANTHROPIC
        elif b"generatecontent" in head:
            make, whole = _google_event, _GOOGLE
        if b'"stream":true' in body.replace(b" ", b"") or b":streamgenerate" in head:
            event = _event(make("word "), named=whole is _ANTHROPIC)
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
                % (len(event) * CHUNKS)
            )
            self._send(event, CHUNKS, paced=b"paced" in body)
            return
        answer = json.dumps(whole).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (len(answer), answer)
        )

    def _send(self, event: bytes, left: int, *, paced: bool) -> None:
        if not paced:
            self._transport.write(event * left)
        elif left:
            self._transport.write(event)
            asyncio.get_running_loop().call_later(0.01, lambda: self._send(event, left - 1, paced=True))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Provider, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Table:
    def __init__(self) -> None:
        self._bare_ms = 1.0

    async def per_call(self, name: str, call: Callable[[], Awaitable[object]], *, bare: bool = False) -> None:
        async def worker() -> None:
            for _ in range(CALLS):
                await call()

        best_ms = 1e3 * await _cheapest(worker, CONCURRENCY) / (CONCURRENCY * CALLS)
        self._bare_ms = best_ms if bare else self._bare_ms
        print(f"{name:<44}{best_ms:8.3f} ms a call  {best_ms / self._bare_ms:6.1f} x bare", flush=True)

    async def per_chunk(self, name: str, stream: Callable[[], Awaitable[object]]) -> None:
        best_us = 1e6 * await _cheapest(stream, STREAMS) / (STREAMS * CHUNKS)
        print(f"{name:<44}{best_us:8.1f} µs a chunk", flush=True)


async def _cheapest(work: Callable[[], Awaitable[object]], width: int) -> float:
    async def once() -> float:
        started = time.process_time()
        await asyncio.gather(*(work() for _ in range(width)))
        return time.process_time() - started

    await once()
    return min([await once() for _ in range(ROUNDS)])


async def _measure(port: int) -> None:
    url, table = f"http://127.0.0.1:{port}", Table()
    paced = json.dumps({"stream": True, "pace": "paced"})
    async with aiohttp.ClientSession() as session:

        async def bare() -> bytes:
            async with session.post(f"{url}/v1/chat", data=b"{}") as response:
                return await response.read()

        async def bare_stream() -> None:
            async with session.post(f"{url}/v1/chat", data=paced) as response:
                while await response.content.readany():
                    pass

        await table.per_call("aiohttp", bare, bare=True)
        await table.per_chunk("aiohttp, paced", bare_stream)
    for protocol in MODELS:
        await _plain_sdk(table, protocol, url)
        await _our_client(table, protocol, url)
        await _adapter(table, protocol, url)


async def _our_client(table: Table, protocol: Protocol, url: str) -> None:
    client, model = connect(_host(protocol, url)), MODELS[protocol]
    ask = json.dumps({"messages": [{"role": "user", "content": PROMPT}]}).encode()

    async def call() -> None:
        answer = await client.generate(ask, model=model, stream=False, connect_timeout_s=5.0)
        while await answer.read():
            pass
        answer.close()

    async def stream(body: bytes) -> None:
        answer = await client.generate(body, model=model, stream=True, connect_timeout_s=5.0)
        parser, count = SseParser(), 0
        while data := await answer.read():
            count += len(parser.feed(data))
        answer.close()
        assert count == CHUNKS

    await table.per_call(f"{protocol}: our client, bytes to bytes", call)
    for pace in ("paced", "in one go"):
        body = json.dumps({"stream": True, "pace": pace}).encode()
        await table.per_chunk(f"{protocol}: our client to events, {pace}", partial(stream, body))
    await client.close()


async def _adapter(table: Table, protocol: Protocol, url: str) -> None:
    adapter = ProviderAdapter(_host(protocol, url), profiles=Profiles.load())
    await table.per_call(f"{protocol}: adapter", lambda: adapter.send_chat_request(_call(protocol)))
    await table.per_chunk(
        f"{protocol}: adapter, paced",
        lambda: _all(adapter.stream_chat_response(_call(protocol, "paced"))),
    )
    await adapter.close()


async def _plain_sdk(table: Table, protocol: Protocol, url: str) -> None:
    """As its documentation shows it."""
    turns: Any = [{"role": "user", "content": PROMPT}]
    paced: Any = [{"role": "user", "content": "paced"}]
    model = MODELS[protocol]
    match protocol:
        case "openai_chat":
            gpt = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
            create = gpt.chat.completions.create
            await table.per_call(f"{protocol}: the SDK", lambda: create(model=model, messages=turns))
            await table.per_chunk(
                f"{protocol}: the SDK, paced",
                lambda: _sdk_stream(create(model=model, messages=paced, stream=True)),
            )
            await gpt.close()
        case "anthropic_messages":
            claude = anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0)
            message = claude.messages.create
            await table.per_call(
                f"{protocol}: the SDK", lambda: message(model=model, messages=turns, max_tokens=100)
            )
            await table.per_chunk(
                f"{protocol}: the SDK, paced",
                lambda: _sdk_stream(message(model=model, messages=paced, max_tokens=100, stream=True)),
            )
            await claude.close()
        case "google_generate":
            gemini = genai.Client(enterprise=False, api_key="k", http_options=types.HttpOptions(base_url=url))
            ask = gemini.aio.models
            await table.per_call(
                f"{protocol}: the SDK", lambda: ask.generate_content(model=model, contents=PROMPT)
            )
            await table.per_chunk(
                f"{protocol}: the SDK, paced",
                lambda: _sdk_stream(ask.generate_content_stream(model=model, contents="paced")),
            )
            await gemini.aio.aclose()


async def _sdk_stream(opening: Awaitable[Any]) -> None:
    async for _ in await opening:
        pass


async def _all(stream: AsyncIterator[list[Chunk]]) -> None:
    """The scripted streams have no end that a decoder would accept: what counts is the way there."""
    try:
        async for _ in stream:
            pass
    except Exception as unfinished:
        if "ended" not in str(unfinished):
            raise


def _host(protocol: Protocol, url: str) -> Host:
    base = f"{url}/v1" if protocol == "openai_chat" else url
    return Host(id="bench", protocol=protocol, key=SecretStr("k"), base_url=base)


def _call(protocol: Protocol, prompt: str = PROMPT) -> ProviderCall:
    model = MODELS[protocol]
    request = ChatRequest(model=model, messages=(Message("user", (Text(prompt),)),), max_tokens=100)
    return ProviderCall(request=request, host="bench", model=model, max_output_tokens=100, request_id="r")


async def _main() -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.sdk_cost", "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        await _measure(int(await server.stdout.readline()))
    finally:
        server.terminate()
        await server.wait()


if __name__ == "__main__":
    uvloop.run(_serve() if "--serve" in sys.argv else _main())
