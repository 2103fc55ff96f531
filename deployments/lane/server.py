"""The callee's end of lanes: runs requests, each its own task, for any number of callers."""

import asyncio
import contextvars
import hmac
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress

from msgspec import Struct

from deployments.lane import frames
from deployments.lane.connection import Connection
from deployments.lane.frames import (
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    WELCOME,
    Answer,
    Cancel,
    Hello,
    Kind,
    Splitter,
    Submit,
    Up,
)
from models.cancellation import HANG_UP
from models.errors import DeadlineExceeded, Internal, Overloaded, PolyvoxError

log = logging.getLogger(__name__)

Handler = Callable[[bytes], AsyncIterator[bytes]]
"""Takes a request's payload, yields the payloads of its answer."""

WINDOW_BYTES = 64 * 1024
"""How far a request's answer may run ahead of its reader."""

GREETING_S = 5.0
"""How long a connection may stay a stranger's."""

MAX_STRANGERS = 256
"""Beyond the backlog of the socket, so that callers who all come at once are not taken for a flood."""

MAX_GREETING_BYTES = 4096

LEAVE_S = 2.0
"""How long a drained server waits for its callers to hear that it leaves."""

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
        self._draining = False
        self._strangers: dict[_Caller, None] = {}
        """Connections that have not proved yet that they are callers, the oldest first."""
        self._callers: set[_Caller] = set()
        self._alone = asyncio.Event()
        self._alone.set()

    async def start(self, host: str) -> Address:
        """Listen on a free port of `host`; again: the same address."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return Address(self._replica, host, port, self._token)

    async def drain(self) -> None:
        """Take nothing new; return when nothing runs any more and the callers have left, or had time to."""
        self._draining = True
        await self._idle.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._alone.wait()

    def takes_more(self) -> bool:
        return not self._draining and self.in_flight < self.max_in_flight

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
        for caller in [*self._strangers, *self._callers]:
            caller.connection.close()
        await asyncio.sleep(0)  # until their transports have closed

    def knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def welcome(self, caller: "_Caller") -> None:
        self._strangers.pop(caller, None)
        self._callers.add(caller)
        self._alone.clear()

    def forget(self, caller: "_Caller") -> None:
        self._strangers.pop(caller, None)
        self._callers.discard(caller)
        if not self._callers:
            self._alone.set()

    def _accept(self) -> Connection:
        if len(self._strangers) >= MAX_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.connection.abort()
        caller = _Caller(self)
        self._strangers[caller] = None
        return caller.connection


async def _pong(_: bytes) -> AsyncIterator[bytes]:
    yield b""


class _Caller:
    """One connected lane and what it has running here; a stranger until it has said the token."""

    def __init__(self, server: LaneServer) -> None:
        self._server = server
        self._running: dict[int, _Running] = {}
        self._splitter: Splitter[Up] = Splitter(frames.ups, max_frame_bytes=MAX_GREETING_BYTES)
        self.connection = Connection(self._splitter, receive=self._greeted, closed=self._closed)
        self._patience = asyncio.get_running_loop().call_later(GREETING_S, self.connection.abort)

    def _greeted(self, message: Up) -> None:
        if not (isinstance(message, Hello) and self._server.knows(message.token)):
            raise ValueError("not a lane of this deployment")
        self._patience.cancel()
        self._splitter.max_frame_bytes = MAX_FRAME_BYTES
        self.connection.receive = self._receive
        self._server.welcome(self)
        self.connection.put(WELCOME)

    def _receive(self, message: Up) -> None:
        if isinstance(message, Submit):
            self._start(message)
        elif isinstance(message, Hello):
            raise ValueError("a second hello")
        elif running := self._running.get(message.id):
            if isinstance(message, Cancel):
                running.is_hung_up = message.softly
                running.task.cancel(HANG_UP if message.softly else None)
            else:
                running.credit(message.consumed)

    def _closed(self) -> None:
        self._patience.cancel()
        self._server.forget(self)
        for running in list(self._running.values()):
            running.task.cancel()

    def _start(self, submit: Submit) -> None:
        if not self._server.takes_more():
            self._fail(submit.id, Overloaded("this service takes no more requests now", sent=False))
            return
        self._server.begin()
        id, running = submit.id, _Running()
        self._running[id] = running
        running.task = asyncio.get_running_loop().create_task(
            self._run(submit, running), context=contextvars.Context()
        )
        # Not in the task: one that is cancelled before its first step never reaches its `finally`.
        running.task.add_done_callback(lambda task: self._ended(id, task))

    def _ended(self, id: int, task: asyncio.Task[None]) -> None:
        self._server.end()
        if self._running.pop(id).is_hung_up and task.cancelled():
            self.connection.put(Answer(id, Kind.END))

    async def _run(self, submit: Submit, running: "_Running") -> None:
        id, method = submit.id, submit.method
        try:
            async with asyncio.timeout(submit.timeout_s):
                items = self._items(submit)
                del submit  # from here on the request's bytes are the handler's alone
                await self._pump(id, items, running)
        except PolyvoxError as error:
            self._fail(id, error)
        except TimeoutError:
            self._fail(id, DeadlineExceeded("the request's time is up"))
        except Exception:  # a handler's bug becomes this request's error and no one else's
            log.exception("lane method %s failed", method)
            self._fail(id, Internal("internal error"))

    def _items(self, submit: Submit) -> AsyncIterator[bytes]:
        handler = self._server.handlers.get(submit.method)
        if handler is None:
            raise Internal(f"no lane method {submit.method}")
        return handler(submit.payload)

    async def _pump(self, id: int, items: AsyncIterator[bytes], running: "_Running") -> None:
        try:
            async for item in items:
                if len(item) > MAX_PAYLOAD_BYTES:
                    raise Internal("an item of the answer is too large")
                self.connection.put(Answer(id, Kind.ITEM, item))
                running.unread += len(item)
                if running.unread >= WINDOW_BYTES:
                    await running.room()
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        self.connection.put(Answer(id, Kind.END))

    def _fail(self, id: int, error: PolyvoxError) -> None:
        self.connection.put(Answer(id, Kind.ERROR, frames.encode_details(error.details())))


class _Running:
    """One request: how much of its answer its caller has yet to read."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self.unread = 0
        self.is_hung_up = False
        """Cancelled by a caller that waits for the end."""
        self._read: asyncio.Future[None] | None = None

    def credit(self, consumed: int) -> None:
        self.unread -= consumed
        if self._read is not None and not self._read.done():
            self._read.set_result(None)

    async def room(self) -> None:
        while self.unread >= WINDOW_BYTES:
            self._read = asyncio.get_running_loop().create_future()
            await self._read
