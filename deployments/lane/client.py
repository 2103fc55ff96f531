"""The caller's end of a lane: a typed-by-its-user client of one deployment.

One socket per replica carries every request to it and every answer from it.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Collection
from contextlib import aclosing, suppress
from typing import Protocol, Self

from deployments.lane.call import Call
from deployments.lane.channel import CONNECT_S, Channel, start
from deployments.lane.frames import MAX_PAYLOAD_BYTES
from deployments.lane.server import PING, Address
from models.errors import Overloaded, PayloadTooLarge, PolyvoxError, ReplicaLost

SUSPICION_S = 0.5
"""A replica just lost is not tried again for this long: Serve may not have noticed yet."""

_MEET_AGAIN_S = 0.05


class Discovery(Protocol):
    """Which replicas of a deployment run, and where. Failing to reach one is `ReplicaLost`."""

    def replicas(self) -> Collection[str]:
        """Those that take new requests now; empty while none is known yet."""
        ...

    async def address(self, replica: str | None) -> Address:
        """Of that replica; of any if None."""
        ...

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `replicas()` changes."""
        ...


class Lane:
    """All methods belong to one event loop.

    `retries`: how often a request that got no answer from a lost replica is placed on another.
    Callers whose requests must not run twice say 0 and get `ReplicaLost`.
    """

    def __init__(
        self, discovery: Discovery, *, name: str, retries: int = 1, max_in_flight: int = 20_000
    ) -> None:
        self.name = name
        self.discovery = discovery
        self.in_flight = 0
        self._closed = False
        self._retries = retries
        self._max_in_flight = max_in_flight
        self._ids = itertools.count(1)
        self._channels: dict[str, Channel] = {}
        self._meeting: asyncio.Task[None] | None = None
        self._suspects: dict[str, float] = {}
        """Replicas just lost, and until when they are left alone, in the loop's time."""
        self._waiting: list[Call] = []
        """Requests that no known replica can take yet."""
        discovery.on_change(self._replicas_changed)

    async def call(self, method: str, payload: bytes, *, timeout_s: float) -> bytes:
        """The first item of an answer."""
        async with aclosing(self.stream(method, payload, timeout_s=timeout_s)) as answer:
            async for items in answer:
                return items[0]
        raise ReplicaLost(f"{self.name} gave no answer")

    def stream(self, method: str, payload: bytes, *, timeout_s: float) -> "LaneStream":
        """The items of an answer. Nothing is sent before the first is asked for."""
        return LaneStream(lambda: self._admit(method, payload, timeout_s))

    async def reach(self, *, timeout_s: float) -> None:
        """Returns once a replica answers."""
        await self.call(PING, b"", timeout_s=timeout_s)

    def close(self) -> None:
        """Drop every connection; what is under way ends with `ReplicaLost`, and so does what comes later."""
        self._closed = True
        for channel in list(self._channels.values()):
            channel.close()
        if self._meeting is not None:
            self._meeting.cancel()
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call.finish(self._gone(call))

    def left(self, call: Call) -> None:
        """Its reader is done with it."""
        self.in_flight -= 1
        call.leave()

    def _admit(self, method: str, payload: bytes, timeout_s: float) -> tuple["Lane", Call]:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge(f"the request is larger than {MAX_PAYLOAD_BYTES} bytes")
        if self._closed:
            raise ReplicaLost(f"the lane to {self.name} is closed", sent=False)
        if self.in_flight >= self._max_in_flight:
            raise Overloaded(f"too many requests wait for {self.name}", sent=False)
        self.in_flight += 1
        call = Call(next(self._ids), method, payload, to=self.name, timeout_s=timeout_s)
        self._place(call)
        return self, call

    def _place(self, call: Call) -> None:
        """Put it on the least loaded replica that has not refused or lost it."""
        if call.ended:
            return
        for replica in self._trusted():
            if replica not in self._channels:
                self._channels[replica] = Channel(self, replica, address=self.discovery.address)
        choices = [c for c in self._channels.values() if not c.draining and c.replica not in call.tried]
        # One that has yet to answer our greeting may hang: it is for when there is no other.
        choices = [c for c in choices if c.connected] or choices
        if choices:
            least = min(len(c.calls) for c in choices)
            random.choice([c for c in choices if len(c.calls) == least]).submit(call)  # noqa: S311
        elif call.refusal is not None:
            call.finish(call.refusal)
        else:
            self._wait(call)

    def _wait(self, call: Call) -> None:
        call.untaken()
        self._waiting.append(call)
        if self._meeting is None:
            self._meeting = start(self._meet())

    def _trusted(self) -> Collection[str]:
        if not self._suspects:
            return self.discovery.replicas()
        now = asyncio.get_running_loop().time()
        self._suspects = {r: until for r, until in self._suspects.items() if until > now}
        return [r for r in self.discovery.replicas() if r not in self._suspects]

    async def _meet(self) -> None:
        """Wait for a replica to turn up, and ask for any one's address where none is known at all."""
        try:
            while self._waiting and not self._trusted():
                if not self.discovery.replicas():
                    with suppress(ReplicaLost, TimeoutError):
                        async with asyncio.timeout(CONNECT_S):
                            await self.discovery.address(None)
                if not self._trusted():
                    await asyncio.sleep(_MEET_AGAIN_S)
                self._waiting = [call for call in self._waiting if not call.ended]
        finally:
            self._meeting = None
        self._place_waiting()

    def _place_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call.tried.clear()
            self._place(call)

    def _replicas_changed(self) -> None:
        running = self.discovery.replicas()
        for channel in self._channels.values():
            channel.draining = channel.replica not in running
        for channel in list(self._channels.values()):
            channel.close_if_drained()
        self._place_waiting()

    def lost(self, channel: Channel, calls: list[Call]) -> None:
        """A replica is gone: what it had not begun to answer goes elsewhere, the rest fails."""
        if self._channels.get(channel.replica) is channel:
            del self._channels[channel.replica]
        if not channel.draining:
            self._suspects[channel.replica] = asyncio.get_running_loop().time() + SUSPICION_S
        for call in calls:
            call.channel = None
            call.tried.add(channel.replica)
            # What never left this side was not lost: placing it again is not trying it twice.
            spared = not channel.connected and not self._closed
            if spared or not (call.started or self._closed or call.losses >= self._retries):
                call.losses += not spared
                self._place(call)
            else:
                call.finish(self._gone(call))

    def refused(self, call: Call, error: PolyvoxError) -> None:
        """All slots of a replica are taken: another may have one."""
        assert call.channel is not None
        call.tried.add(call.channel.replica)
        call.refusal = error
        call.channel = None
        self._place(call)

    def _gone(self, call: Call) -> ReplicaLost:
        return ReplicaLost(f"the replica of {self.name} that held the request is gone", sent=call.sent)


class LaneStream:
    """An answer as it comes: each time all items that have arrived since the last time.

    Raises what the callee raised; `DeadlineExceeded`, `Overloaded`, `ReplicaLost` of the lane's own. A reader
    that is cancelled may come back; one that is done before the end has to say so, with `aclose`.
    """

    def __init__(self, admit: Callable[[], tuple[Lane, Call]]) -> None:
        self._admit: Callable[[], tuple[Lane, Call]] | None = admit
        self._lane: Lane | None = None
        self._call: Call | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[bytes]:
        if self._admit is not None:
            admit, self._admit = self._admit, None  # the payload is the call's, which lets go of it in time
            self._lane, self._call = admit()
        call = self._call
        while call is not None:
            if call.items:
                return call.read()
            if not call.ended:
                await call.news()
            else:
                self._leave()
                if call.error is not None:
                    raise call.error
                call = None
        raise StopAsyncIteration

    def hang_up(self) -> None:
        """Ask the callee to come to an end now. What it has to say until then is still to be read."""
        if self._call is not None:
            self._call.hang_up()

    async def aclose(self) -> None:
        """Cancels the request at the callee, if it has not ended."""
        self._admit = None
        self._leave()

    def _leave(self) -> None:
        if self._lane is not None and self._call is not None:
            self._lane.left(self._call)
            self._call = None
