"""The callee's end of lanes: runs requests, each its own task, for any number of callers."""

import asyncio
import contextvars
import hmac
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

from msgspec import Struct

from deployments.lane import frames
from deployments.lane.connection import Connection
from deployments.lane.frames import Answer, Cancel, Credit, Hello, Kind, Splitter, Submit, Up
from models.errors import DeadlineExceeded, Internal, Overloaded, PolyvoxError

log = logging.getLogger(__name__)

Handler = Callable[[bytes], AsyncIterator[bytes]]
"""Takes a request's payload, yields the payloads of its answer."""

WINDOW_BYTES = 64 * 1024
"""How far a request's answer may run ahead of its reader."""

HEARTBEAT_S = 2.0

PING = "ping"
"""A method that every lane server has."""


class Address(Struct, frozen=True):
    """Where one replica's lane server listens. `token` is its secret for callers, made at its start."""

    replica: str
    host: str
    port: int
    token: str


class LaneServer:
    """Runs the `handlers` of one replica.

    `max_in_flight` bounds the requests held at once; one more is answered `Overloaded` at once.
    """

    def __init__(self, handlers: Mapping[str, Handler], *, replica: str, max_in_flight: int) -> None:
        self.handlers: Mapping[str, Handler] = {PING: _pong, **handlers}
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._replica = replica
        self._token = secrets.token_urlsafe(32)
        self._server: asyncio.Server | None = None
        self._callers: set[_Caller] = set()
        self._heart: asyncio.Task[None] | None = None

    async def start(self, host: str) -> Address:
        """Listen on a free port of `host`; again: the same address."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: self._accept().connection, host, 0)
            self._heart = loop.create_task(self._beat())
        port = self._server.sockets[0].getsockname()[1]
        return Address(self._replica, host, port, self._token)

    async def drain(self) -> None:
        """Return when nothing runs any more."""
        await self._idle.wait()

    def begin(self) -> None:
        self.in_flight += 1
        self._idle.clear()

    def end(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    async def stop(self) -> None:
        """Cancel what runs and close every socket."""
        if self._server is not None:
            self._server.close()
        if self._heart is not None:
            self._heart.cancel()
        for caller in list(self._callers):
            caller.connection.close()
        await asyncio.sleep(0)  # until their transports have closed

    def knows(self, token: str) -> bool:
        return hmac.compare_digest(token, self._token)

    def forget(self, caller: "_Caller") -> None:
        self._callers.discard(caller)

    def _accept(self) -> "_Caller":
        caller = _Caller(self)
        self._callers.add(caller)
        return caller

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for caller in list(self._callers):
                caller.connection.beat()


async def _pong(_: bytes) -> AsyncIterator[bytes]:
    yield b""


class _Caller:
    """One connected lane and what it has running here."""

    def __init__(self, server: LaneServer) -> None:
        self._server = server
        self._greeted = False
        self._running: dict[int, _Running] = {}
        splitter: Splitter[Up] = Splitter(frames.ups)
        self.connection = Connection(splitter, receive=self._receive, closed=self._closed)

    def _receive(self, message: Up) -> None:
        if not self._greeted:
            if not (isinstance(message, Hello) and self._server.knows(message.token)):
                raise ValueError("not a lane of this deployment")
            self._greeted = True
        elif isinstance(message, Submit):
            self._start(message)
        elif isinstance(message, Hello):
            raise ValueError("a second hello")
        elif running := self._running.get(message.id):
            if isinstance(message, Cancel):
                running.task.cancel()
            elif isinstance(message, Credit):
                running.credit(message.consumed)

    def _closed(self) -> None:
        self._server.forget(self)
        for running in list(self._running.values()):
            running.task.cancel()

    def _start(self, submit: Submit) -> None:
        if self._server.in_flight >= self._server.max_in_flight:
            self._fail(submit.id, Overloaded("all slots of this service are taken", sent=False))
            return
        self._server.begin()
        running = self._running[submit.id] = _Running()
        running.task = asyncio.get_running_loop().create_task(
            self._run(submit, running), context=contextvars.Context()
        )
        # Not in the task: one that is cancelled before its first step never reaches its `finally`.
        running.task.add_done_callback(lambda _: self._ended(submit.id))

    def _ended(self, id: int) -> None:
        self._server.end()
        del self._running[id]

    async def _run(self, submit: Submit, running: "_Running") -> None:
        try:
            async with asyncio.timeout(submit.timeout_s):
                await self._pump(submit, running)
        except PolyvoxError as error:
            self._fail(submit.id, error)
        except TimeoutError:
            self._fail(submit.id, DeadlineExceeded("the request's time is up"))
        except Exception:  # a handler's bug becomes this request's error and no one else's
            log.exception("lane method %s failed", submit.method)
            self._fail(submit.id, Internal("internal error"))

    async def _pump(self, submit: Submit, running: "_Running") -> None:
        handler = self._server.handlers.get(submit.method)
        if handler is None:
            raise Internal(f"no lane method {submit.method}")
        items = handler(submit.payload)
        try:
            async for item in items:
                self.connection.put(Answer(submit.id, Kind.ITEM, item))
                running.unread += len(item)
                if running.unread >= WINDOW_BYTES:
                    await running.room()
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        self.connection.put(Answer(submit.id, Kind.END))

    def _fail(self, id: int, error: PolyvoxError) -> None:
        self.connection.put(Answer(id, Kind.ERROR, frames.encode_details(error.details())))


class _Running:
    """One request: how much of its answer its caller has yet to read."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.unread = 0
        self._read: asyncio.Future[None] | None = None

    def credit(self, consumed: int) -> None:
        self.unread -= consumed
        if self._read is not None and not self._read.done():
            self._read.set_result(None)

    async def room(self) -> None:
        while self.unread >= WINDOW_BYTES:
            self._read = asyncio.get_running_loop().create_future()
            await self._read
