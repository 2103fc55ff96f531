"""One socket of a lane: messages put in one turn of the event loop leave in one frame."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from deployments.lane import frames
from deployments.lane.frames import Splitter

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0

SILENT_BEATS = 4
"""A peer from which nothing came for so many of our own beats hangs. Beats, not seconds: where this
side itself was held up, what came meanwhile is read before the peer is blamed."""


class Connection(asyncio.Protocol):
    """`receive` is given each message, `closed` is called once when the socket is gone.

    `greeting` leaves first, in a frame of its own. Both sides beat, and each gives up on a silent peer.
    While the peer reads slower than this side writes, messages wait here and leave in larger frames.
    """

    def __init__(
        self,
        splitter: Splitter[Any],
        *,
        receive: Callable[[Any], None],
        closed: Callable[[], None],
        greeting: Any = None,
    ) -> None:
        self._splitter = splitter
        self.receive = receive
        self._closed = closed
        self._greeting = greeting
        self._pending: deque[Any] = deque()
        self._scheduled = False
        self._paused = False
        self._silent_beats = 0
        self._heart: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def put(self, message: Any) -> None:
        self._pending.append(message)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """At once: whatever the peer has not read is dropped."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        if self._greeting is not None:
            self._transport.write(frames.encode([self._greeting]))
        self._heart = self._loop.call_later(HEARTBEAT_S, self._beat)

    def data_received(self, data: bytes) -> None:
        self._silent_beats = 0
        try:
            for message in self._splitter.feed(data):
                self.receive(message)
        except (ValueError, RecursionError):  # what msgspec raises: this peer does not speak the protocol
            self.close()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._pending.clear()
        if self._heart is not None:
            self._heart.cancel()
        self._closed()

    def _beat(self) -> None:
        """Say that this side is alive, and see whether the other one is."""
        self._silent_beats += 1
        if self._silent_beats >= SILENT_BEATS:
            log.warning("a peer that has been silent for %s s is given up", SILENT_BEATS * HEARTBEAT_S)
            self.abort()
            return
        if self._transport is not None and not self._paused:
            self._transport.write(frames.encode([]))
        self._heart = self._loop.call_later(HEARTBEAT_S, self._beat)

    def _flush(self) -> None:
        self._scheduled = False
        while self._pending and self._transport is not None and not self._paused:
            self._transport.write(frames.encode(frames.take(self._pending)))
