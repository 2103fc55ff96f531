"""A provider of our own making: real HTTP on loopback, every answer written by the test."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, assert_never

from aiohttp import web
from multidict import CIMultiDictProxy

End = Literal["properly", "cut", "never"]


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """Writes in the given pieces; between two it waits until the first has left the process."""

    pieces: Sequence[bytes]
    end: End = "properly"
    gap_s: float = 0.0
    status: int = 200


@dataclass(frozen=True)
class Silence:
    """Takes the request and says nothing."""


@dataclass(frozen=True)
class HangUp:
    """Takes the request and resets the connection, having said `first`."""

    first: bytes = b""


Script = Answer | Stream | Silence | HangUp


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    peer: object
    """One per connection."""


class ScriptedProvider:
    """Gives every request the same `script`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.script: Script = Answer()
        self.requests: list[Request] = []
        self.arrived = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.disconnected_at = 0.0
        self._answering = 0
        self.most_at_once = 0

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.requests.append(
            Request(request.method, request.path_qs, request.headers, await request.read(), peer)
        )
        self._answering += 1
        self.most_at_once = max(self.most_at_once, self._answering)
        self.arrived.set()
        try:
            return await self._play(request)
        except (asyncio.CancelledError, ConnectionError):
            self.disconnected_at = time.monotonic()
            self.disconnected.set()
            raise
        finally:
            self._answering -= 1

    async def _play(self, request: web.Request) -> web.StreamResponse:
        match self.script:
            case Answer(status, body, headers):
                return web.Response(status=status, body=body, headers=headers)
            case Stream():
                return await _stream(request, self.script)
            case Silence():
                await asyncio.Event().wait()
                raise AssertionError
            case HangUp(first):
                assert request.transport is not None
                request.transport.write(first)
                request.transport.close() if first else request.transport.abort()
                return web.Response()
            case _:
                assert_never(self.script)


async def _stream(request: web.Request, script: Stream) -> web.StreamResponse:
    response = web.StreamResponse(status=script.status, headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in script.pieces:
        await response.write(piece)
        await asyncio.sleep(script.gap_s)
    match script.end:
        case "properly":
            await response.write_eof()
        case "cut":
            assert request.transport is not None
            request.transport.close()
        case "never":
            await asyncio.Event().wait()
    return response


@asynccontextmanager
async def scripted_provider() -> AsyncIterator[ScriptedProvider]:
    provider = ScriptedProvider()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", provider.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    provider.url = f"http://{host}:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()
