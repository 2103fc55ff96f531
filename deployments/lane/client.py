"""The caller's end of a lane: a typed-by-its-user client of one deployment.

One socket per replica carries every request to it and every answer from it.
"""

import asyncio
import contextvars
import itertools
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Protocol

from deployments.lane import frames
from deployments.lane.connection import Connection
from deployments.lane.frames import Answer, Cancel, Credit, Hello, Kind, Splitter, Submit
from deployments.lane.server import HEARTBEAT_S, PING, WINDOW_BYTES, Address
from models.errors import (
    DeadlineExceeded,
    Overloaded,
    PayloadTooLarge,
    PolyvoxError,
    ReplicaLost,
    from_details,
)

log = logging.getLogger(__name__)

SILENCE_S = 4 * HEARTBEAT_S
"""A replica that says nothing for this long hangs."""

CONNECT_S = 5.0

MAX_PAYLOAD_BYTES = 24 * 1024 * 1024

SUSPICION_S = 0.5
"""A replica just lost is not tried again for this long: Serve may not have noticed yet."""

_CREDIT_BYTES = WINDOW_BYTES // 2
_PIECE_BYTES = 8 * 1024
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
        self._channels: dict[str, _Channel] = {}
        self._meeting: asyncio.Task[None] | None = None
        self._suspects: dict[str, float] = {}
        """Replicas just lost, and until when they are left alone, in the loop's time."""
        self._waiting: list[_Call] = []
        """Requests that no known replica can take yet."""
        discovery.on_change(self._replicas_changed)

    async def call(self, method: str, payload: bytes, *, timeout_s: float) -> bytes:
        """The first item of an answer."""
        async with aclosing(self.stream(method, payload, timeout_s=timeout_s)) as answer:
            async for items in answer:
                return items[0]
        raise ReplicaLost(f"{self.name} gave no answer")

    async def stream(
        self, method: str, payload: bytes, *, timeout_s: float
    ) -> AsyncGenerator[list[bytes], None]:
        """The items of an answer, each time all that have arrived since the last time.

        Raises what the callee raised; `DeadlineExceeded`, `Overloaded`, `ReplicaLost` of its own.
        Leaving the generator early, or cancelling its reader, cancels the request at the callee.
        """
        loop = asyncio.get_running_loop()
        call = self._admit(method, payload, loop.time() + timeout_s)
        late = DeadlineExceeded(f"{self.name} did not answer in time")
        timer = loop.call_later(timeout_s, call.finish, late)
        try:
            self._place(call)
            while True:
                if call.items:
                    yield call.read()
                elif not call.ended:
                    call.waiter = loop.create_future()
                    await call.waiter
                elif call.error is not None:
                    raise call.error
                else:
                    return
        finally:
            timer.cancel()
            self.in_flight -= 1
            if call.channel is not None:
                call.channel.forget(call)

    async def reach(self, *, timeout_s: float) -> None:
        """Returns once a replica answers."""
        await self.call(PING, b"", timeout_s=timeout_s)

    def close(self) -> None:
        """Drop every connection; what is under way ends with `ReplicaLost`, and so does what comes later."""
        self._closed = True
        for channel in list(self._channels.values()):
            channel.close()

    def _admit(self, method: str, payload: bytes, deadline: float) -> "_Call":
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge(f"the request is larger than {MAX_PAYLOAD_BYTES} bytes")
        if self._closed:
            raise ReplicaLost(f"the lane to {self.name} is closed", sent=False)
        if self.in_flight >= self._max_in_flight:
            raise Overloaded(f"too many requests wait for {self.name}", sent=False)
        self.in_flight += 1
        return _Call(next(self._ids), method, payload, deadline)

    def _place(self, call: "_Call") -> None:
        """Put it on the least loaded replica that has not refused or lost it."""
        for replica in self._trusted():
            if replica not in self._channels:
                self._channels[replica] = _Channel(self, replica)
        choices = [c for c in self._channels.values() if not c.draining and c.replica not in call.tried]
        if choices:
            least = min(len(c.calls) for c in choices)
            random.choice([c for c in choices if len(c.calls) == least]).submit(call)  # noqa: S311
        elif call.refusal is not None:
            call.finish(call.refusal)
        else:
            self._waiting.append(call)
            if self._meeting is None:
                self._meeting = start(self._meet())

    def _trusted(self) -> list[str]:
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
            if not call.ended:
                call.tried.clear()
                self._place(call)

    def _replicas_changed(self) -> None:
        running = self.discovery.replicas()
        for channel in list(self._channels.values()):
            channel.draining = channel.replica not in running
            channel.close_if_drained()
        self._place_waiting()

    def lost(self, channel: "_Channel", calls: "list[_Call]") -> None:
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
                call.finish(ReplicaLost(f"the replica of {self.name} that held the request is gone"))

    def refused(self, call: "_Call", error: PolyvoxError) -> None:
        """All slots of a replica are taken: another may have one."""
        assert call.channel is not None
        call.tried.add(call.channel.replica)
        call.refusal = error
        call.channel = None
        self._place(call)


class _Call:
    """One request from `stream` until its end, on whichever replica holds it now."""

    def __init__(self, id: int, method: str, payload: bytes, deadline: float) -> None:
        self.id = id
        self.method = method
        self.payload = payload
        self.deadline = deadline
        self.items: deque[bytes] = deque()
        self.unread = 0
        self.ended = False
        self.error: PolyvoxError | None = None
        self.refusal: PolyvoxError | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.channel: _Channel | None = None
        self.started = False
        self.losses = 0
        self.tried: set[str] = set()

    def read(self) -> list[bytes]:
        """What has arrived, a bounded piece at a time: written out it may be many times as large."""
        items = [self.items.popleft()]
        size = len(items[0])
        while self.items and size < _PIECE_BYTES:
            size += len(self.items[0])
            items.append(self.items.popleft())
        self.unread += size
        if self.unread >= _CREDIT_BYTES and self.channel is not None:
            self.channel.put(Credit(self.id, self.unread))
            self.unread = 0
        return items

    def deliver(self, item: bytes) -> None:
        self.started = True
        self.items.append(item)
        self._wake()

    def finish(self, error: PolyvoxError | None = None) -> None:
        if not self.ended:
            self.ended = True
            self.error = error
            self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class _Channel:
    """One replica as seen by one lane: its socket and the requests that it holds."""

    def __init__(self, lane: Lane, replica: str) -> None:
        self.replica = replica
        self.draining = False
        self.calls: dict[int, _Call] = {}
        self._lane = lane
        self._unsent: list[Submit | Cancel | Credit] = []
        self._connection: Connection | None = None
        self._closed = asyncio.Event()
        self._life = start(self._live())

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def submit(self, call: _Call) -> None:
        call.channel = self
        self.calls[call.id] = call
        left = call.deadline - asyncio.get_running_loop().time()
        self.put(Submit(call.id, call.method, left, call.payload))

    def put(self, message: Submit | Cancel | Credit) -> None:
        if self._connection is None:
            self._unsent.append(message)
        else:
            self._connection.put(message)

    def forget(self, call: _Call) -> None:
        """Its reader is done with it; the callee is told if it is not."""
        if self.calls.pop(call.id, None) is not None:
            self.put(Cancel(call.id))
            self.close_if_drained()

    def close_if_drained(self) -> None:
        if self.draining and not self.calls:
            self.close()

    def close(self) -> None:
        self._life.cancel()

    async def _live(self) -> None:
        """Connect, hand out answers, and give back what is held when the replica is gone or hangs."""
        try:
            async with asyncio.timeout(CONNECT_S):
                address = await self._lane.discovery.address(self.replica)
                connection = await self._connect(address)
            while not self._closed.is_set():
                silence = asyncio.get_running_loop().time() - connection.last_heard
                if silence >= SILENCE_S:
                    break
                await _wait(self._closed, SILENCE_S - silence)
        except (ReplicaLost, OSError, TimeoutError) as error:
            log.warning("lane %s cannot reach %s: %r", self._lane.name, self.replica, error)
        finally:
            if self._connection is not None:
                self._connection.close()
            calls, self.calls = list(self.calls.values()), {}
            self._lane.lost(self, calls)

    async def _connect(self, address: Address) -> Connection:
        if address.replica != self.replica:
            raise ReplicaLost(f"{self.replica} is gone")
        splitter: Splitter[Answer] = Splitter(frames.answers)
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(splitter, receive=self._deliver, closed=self._closed.set),
            address.host,
            address.port,
        )
        connection.put(Hello(address.token))
        for message in self._unsent:
            connection.put(message)
        self._unsent.clear()
        self._connection = connection
        return connection

    def _deliver(self, answer: Answer) -> None:
        call = self.calls.get(answer.id)
        if call is None:
            return
        if answer.kind is Kind.ITEM:
            call.deliver(answer.payload)
            return
        del self.calls[answer.id]
        error = from_details(frames.decode_details(answer.payload)) if answer.kind is Kind.ERROR else None
        if isinstance(error, Overloaded) and not error.sent and not call.started:
            self._lane.refused(call, error)
        else:
            call.finish(error)
        self.close_if_drained()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task with a context of its own: a lane's work belongs to no single request."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
