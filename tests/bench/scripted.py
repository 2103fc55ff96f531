"""A scripted upstream: answers as the directive in the last user message says, faults included.

It stands in for the sandbox where the kit itself is under test: `python -m tests.bench.scripted --port N`.
`gap_at=K gap=S` pauses S seconds before chunk K; `die_after=K` closes the socket there; `error_after=K` sends
an error event; `comments=1` fills pauses with keep-alive comments; `split=1` sends each event in two pieces;
`refuse=1` answers 503.
"""

import argparse
import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httptools
import uvloop

_DIRECTIVE = re.compile(rb"\[\[sandbox: ([^\]]*)\]\]")
_COMPLETION = {
    "id": "chatcmpl-scripted",
    "created": 1_780_000_000,
    "model": "scripted",
}
_USAGE = {"prompt_tokens": 180, "completion_tokens": 34, "total_tokens": 214}


def _answer() -> bytes:
    message = {
        "role": "assistant",
        "content": "Book both in by hand, keep the slip, and ring the lending desk.",
    }
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps(
        {**_COMPLETION, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _event(**fields: object) -> bytes:
    body = {**_COMPLETION, "object": "chat.completion.chunk", **fields}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _delta(finish_reason: str | None = None, **delta: str) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])


_ANSWER = _answer()
_ROLE = _delta(role="assistant", content="")
_CHUNK = _delta(content=" word")
_LAST = _delta("stop") + _event(choices=[], usage=_USAGE) + b"data: [DONE]\n\n"
_ERROR = b'data: {"error":{"message":"scripted","type":"server_error"}}\n\n'
_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()
        self._streaming: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._streaming is not None:
            self._streaming.cancel()
        self.closed.set()

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body = bytes(self._body)
        found = _DIRECTIVE.search(body)
        pairs = (pair.split("=") for pair in found[1].decode().split()) if found else ()
        script = {name: float(value) for name, value in pairs}
        if "refuse" in script:
            self._transport.write(_REFUSAL)
        elif b'"stream": true' in body or b'"stream":true' in body:
            self._streaming = asyncio.create_task(self._stream(script))
        else:
            self._transport.write(_ANSWER)

    async def _stream(self, script: dict[str, float]) -> None:
        loop = asyncio.get_running_loop()
        interval = 1 / script["rate"] if script.get("rate") else 0.0
        due = loop.time() + script.get("delay", 0.0)
        self._transport.write(_STREAM_HEAD)
        for n in range(int(script.get("tokens", 34))):
            if n == script.get("gap_at"):
                due += script["gap"]
            await self._wait_until(due, comments="comments" in script)
            if n == script.get("die_after"):
                self._transport.close()
                return
            if n == script.get("error_after"):
                self._send(_ERROR)
                return
            self._send(_CHUNK if n else _ROLE + _CHUNK, split="split" in script)
            due += interval
        self._send(_LAST)
        self._transport.write(b"0\r\n\r\n")

    async def _wait_until(self, due: float, *, comments: bool) -> None:
        loop = asyncio.get_running_loop()
        while comments and due - loop.time() > 0.01:
            self._send(b": still here\n\n")
            await asyncio.sleep(0.01)
        if due > loop.time():
            await asyncio.sleep(due - loop.time())

    def _send(self, events: bytes, *, split: bool = False) -> None:
        half = len(events) - 1 if split else 0
        for piece in (events[:half], events[half:]):
            if piece:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))


@asynccontextmanager
async def listening(port: int = 0) -> AsyncIterator[asyncio.Server]:
    connections: list[_Connection] = []

    def accept() -> _Connection:
        connections.append(_Connection())
        return connections[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept, "127.0.0.1", port, backlog=4096)
    try:
        yield server
    finally:
        server.close()
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.closed.wait()


async def _serve(port: int) -> None:
    async with listening(port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_serve(parser.parse_args().port))
