"""One replica as seen by one lane: its socket and the requests that it holds."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from deployments.lane import frames
from deployments.lane.call import Call
from deployments.lane.connection import Connection
from deployments.lane.frames import WELCOME, Answer, Cancel, Credit, Hello, Kind, Splitter, Submit
from deployments.lane.server import Address
from models.errors import Overloaded, PolyvoxError, ReplicaLost, from_details

log = logging.getLogger(__name__)

CONNECT_S = 5.0


class Owner(Protocol):
    name: str

    def refused(self, call: Call, error: PolyvoxError) -> None:
        """The replica takes no more; it did not begin this one."""
        ...

    def lost(self, channel: "Channel", calls: list[Call]) -> None:
        """Said once, when the channel is no more: these it still held."""
        ...


class Channel:
    """Requests given to it before the replica has welcomed it are sent then, and not before."""

    def __init__(self, owner: Owner, replica: str, *, address: Callable[[str], Awaitable[Address]]) -> None:
        self.replica = replica
        self.draining = False
        self.connected = False
        """Whether the replica has ever been heard: it may have had whatever was given to this channel."""
        self.calls: dict[int, Call] = {}
        self._owner = owner
        self._address = address
        self._connection: Connection | None = None
        self._welcomed = asyncio.Event()
        self._closed = False
        self._connecting = start(self._connect())

    def submit(self, call: Call) -> None:
        call.channel = self
        self.calls[call.id] = call
        if self.connected:
            self._send(call)
        else:
            call.untaken()

    def put(self, message: Submit | Cancel | Credit) -> None:
        if self._connection is not None:
            self._connection.put(message)

    def hang_up(self, call: Call) -> bool:
        """False where the callee has not had it."""
        if self.connected:
            self.put(Cancel(call.id, softly=True))
        return self.connected

    def forget(self, call: Call) -> None:
        """Its reader is done with it; the callee is told if it is not."""
        if self.calls.pop(call.id, None) is not None:
            if self.connected:
                self.put(Cancel(call.id))
            self.close_if_drained()

    def close_if_drained(self) -> None:
        if self.draining and not (self.connected and self.calls):
            self.close()

    def close(self) -> None:
        """Give back what is held. Not left to the task, which may not have had its first step yet."""
        if self._closed:
            return
        self._closed = True
        self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()
        calls, self.calls = list(self.calls.values()), {}
        self._owner.lost(self, calls)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._open(await self._address(self.replica))
                await self._welcomed.wait()
        except (ReplicaLost, OSError, TimeoutError) as error:
            log.warning("lane %s cannot reach %s: %r", self._owner.name, self.replica, error)
        finally:
            if not self.connected:
                self.close()

    async def _open(self, address: Address) -> None:
        if address.replica != self.replica:
            raise ReplicaLost(f"{self.replica} is gone")
        loop = asyncio.get_running_loop()
        await loop.create_connection(partial(self._greet, address.token), address.host, address.port)

    def _greet(self, token: str) -> Connection:
        splitter: Splitter[Answer] = Splitter(frames.answers)
        self._connection = Connection(
            splitter, receive=self._deliver, closed=self._hung_up, greeting=Hello(token)
        )
        return self._connection

    def _hung_up(self) -> None:
        if not self._closed:
            log.warning("lane %s lost %s", self._owner.name, self.replica)
            self.close()

    def _send(self, call: Call) -> None:
        self.put(Submit(call.id, call.method, call.left_s(), call.payload))
        call.taken()

    def _deliver(self, answer: Answer) -> None:
        call = self.calls.get(answer.id)
        if call is None:
            if answer.id == WELCOME.id:
                self._begin()
        elif answer.kind is Kind.ITEM:
            call.deliver(answer.payload)
        else:
            del self.calls[answer.id]
            self._end(call, answer)
            self.close_if_drained()

    def _begin(self) -> None:
        self.connected = True
        self._welcomed.set()
        for call in self.calls.values():
            if not call.ended:
                self._send(call)

    def _end(self, call: Call, answer: Answer) -> None:
        error = from_details(frames.decode_details(answer.payload)) if answer.kind is Kind.ERROR else None
        if isinstance(error, Overloaded) and not error.sent and not call.started:
            self._owner.refused(call, error)
        else:
            call.finish(error)


def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task with a context of its own: a lane's work belongs to no single request."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
