"""One socket of a lane: messages put in one turn of the event loop leave in one frame."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from deployments.lane import frames
from deployments.lane.frames import Splitter


class Connection(asyncio.Protocol):
    """`receive` is given each message, `closed` is called once when the socket is gone.

    While the peer reads slower than this side writes, messages wait here and leave in larger frames.
    """

    def __init__(
        self, splitter: Splitter[Any], *, receive: Callable[[Any], None], closed: Callable[[], None]
    ) -> None:
        self._splitter = splitter
        self._receive = receive
        self._closed = closed
        self._pending: list[Any] = []
        self._scheduled = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self.last_heard = self._loop.time()
        self.last_sent = self._loop.time()

    def put(self, message: Any) -> None:
        self._pending.append(message)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def beat(self) -> None:
        """Say that this side is alive."""
        if not self._pending and self._transport is not None and not self._paused:
            self._transport.write(frames.encode([]))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        self.last_heard = self._loop.time()
        try:
            for message in self._splitter.feed(data):
                self._receive(message)
        except ValueError:  # msgspec's DecodeError is one: this peer does not speak the protocol
            self.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._pending.clear()
        self._closed()

    def _flush(self) -> None:
        self._scheduled = False
        if self._pending and self._transport is not None and not self._paused:
            messages, self._pending = self._pending, []
            self.last_sent = self._loop.time()
            self._transport.write(frames.encode(messages))
