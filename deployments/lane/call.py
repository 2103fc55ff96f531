"""One request of a lane as its caller holds it, on whichever replica it is now."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from deployments.lane.frames import Credit
from deployments.lane.server import WINDOW_BYTES
from models.errors import DeadlineExceeded, Overloaded, PolyvoxError

if TYPE_CHECKING:
    from deployments.lane.channel import Channel

PLACE_S = 10.0
"""How long a request waits for a replica to take it; its own deadline may come before."""

_CREDIT_BYTES = WINDOW_BYTES // 2
_PIECE_BYTES = 8 * 1024


class Call:
    """Lives from `Lane.stream`'s first step to its last."""

    def __init__(self, id: int, method: str, payload: bytes, *, to: str, timeout_s: float) -> None:
        self.id = id
        self.method = method
        self.payload = payload
        """Empty once the answer has begun: there is no second attempt from then on."""
        self.channel: Channel | None = None
        self.tried: set[str] = set()
        self.refusal: PolyvoxError | None = None
        self.losses = 0
        self.sent = False
        """Whether a replica may have had it."""
        self.started = False
        self.ended = False
        self.error: PolyvoxError | None = None
        self.items: deque[bytes] = deque()
        self._to = to
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + timeout_s
        self._timer = self._loop.call_later(timeout_s, self._expire)
        self._patience: asyncio.TimerHandle | None = None

    def left_s(self) -> float:
        return self._deadline - self._loop.time()

    async def news(self) -> None:
        """Return when there are items, or the end."""
        self._waiter = self._loop.create_future()
        await self._waiter

    def read(self) -> list[bytes]:
        """What has arrived, a bounded piece at a time: written out it may be many times as large."""
        items = [self.items.popleft()]
        size = len(items[0])
        while self.items and size < _PIECE_BYTES:
            size += len(self.items[0])
            items.append(self.items.popleft())
        self._unread += size
        if self._unread >= _CREDIT_BYTES and self.channel is not None:
            self.channel.put(Credit(self.id, self._unread))
            self._unread = 0
        return items

    def untaken(self) -> None:
        """No replica can take it now: its patience runs from the first time on."""
        if self._patience is None:
            self._patience = self._loop.call_later(PLACE_S, self._give_up)

    def taken(self) -> None:
        self.sent = True
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def deliver(self, item: bytes) -> None:
        self.started = True
        self.payload = b""
        self.items.append(item)
        self._wake()

    def finish(self, error: PolyvoxError | None = None) -> None:
        if not self.ended:
            self.ended = True
            self.error = error
            self._wake()

    def hang_up(self) -> None:
        """One that no replica has taken yet just ends."""
        if self.channel is None or not self.channel.hang_up(self):
            self.finish()

    def leave(self) -> None:
        """Its reader is done with it: nobody is to place it any more, and the callee is told."""
        self.ended = True
        self._timer.cancel()
        if self._patience is not None:
            self._patience.cancel()
        if self.channel is not None:
            self.channel.forget(self)

    def _expire(self) -> None:
        self.finish(DeadlineExceeded(f"{self._to} did not answer in time", sent=self.sent))

    def _give_up(self) -> None:
        self.finish(Overloaded(f"no replica of {self._to} can be reached", sent=self.sent))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
