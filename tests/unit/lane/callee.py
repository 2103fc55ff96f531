"""A replica without Ray, in every state that a lane may meet it in."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from deployments.lane.client import Lane
from deployments.lane.local import LocalDiscovery
from deployments.lane.server import Address, LaneServer
from models.errors import ProviderRateLimited

GENEROUS_S = 5.0


class Callee:
    """One replica's handlers, with what the tests need to see of them."""

    def __init__(self, name: str, *, max_in_flight: int = 1_000) -> None:
        self.name = name
        self.begun: list[bytes] = []
        self.cancelled: list[bytes] = []
        self.sent = 0
        self.release = asyncio.Event()
        handlers = {
            "echo": self.echo,
            "count": self.count,
            "fail": self.fail,
            "break": self.broken,
            "hold": self.hold,
            "flood": self.flood,
            "first": self.first,
            "measure": self.measure,
            "holders": self.holders,
        }
        self.server = LaneServer(handlers, replica=name, max_in_flight=max_in_flight)

    async def echo(self, payload: bytes) -> AsyncIterator[bytes]:
        yield self.name.encode() + b":" + payload

    async def count(self, payload: bytes) -> AsyncIterator[bytes]:
        for number in range(int(payload)):
            yield str(number).encode()
            if number % 7 == 0:
                await asyncio.sleep(0)

    async def fail(self, _: bytes) -> AsyncIterator[bytes]:
        yield b"one"
        raise ProviderRateLimited("slow down", provider="openai", status=429, retry_after_s=3.5)

    async def broken(self, _: bytes) -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError("a secret detail")

    async def hold(self, payload: bytes) -> AsyncIterator[bytes]:
        self.begun.append(payload)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.append(payload)
            raise
        yield self.name.encode()

    async def first(self, payload: bytes) -> AsyncIterator[bytes]:
        yield b"first of " + payload
        async for item in self.hold(payload):
            yield item

    async def measure(self, payload: bytes) -> AsyncIterator[bytes]:
        yield str(len(payload)).encode()

    async def holders(self, payload: bytes) -> AsyncIterator[bytes]:
        """How many hold the request's bytes once it runs; `getrefcount` is one of them."""
        await asyncio.sleep(0)
        yield str(sys.getrefcount(payload) - 1).encode()

    async def flood(self, _: bytes) -> AsyncIterator[bytes]:
        while True:
            self.sent += 1
            yield bytes(1024)


@asynccontextmanager
async def laid(*callees: Callee, retries: int = 1) -> AsyncGenerator[tuple[Lane, LocalDiscovery]]:
    discovery = LocalDiscovery({c.name: c.server for c in callees})
    lane = Lane(discovery, name="test", retries=retries)
    try:
        yield lane, discovery
    finally:
        lane.close()
        for callee in callees:
            await callee.server.stop()
        await asyncio.sleep(0)


async def until(true: Callable[[], bool], *, within_s: float = 2.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.002)


async def items(
    lane: Lane, method: str, payload: bytes = b"", *, timeout_s: float = GENEROUS_S
) -> list[bytes]:
    found: list[bytes] = []
    async for batch in lane.stream(method, payload, timeout_s=timeout_s):
        found += batch
    return found


async def raised(work: Awaitable[object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks at it
        await work
    return caught.value


@asynccontextmanager
async def silent(*, first: bytes = b"", reads: bool = True) -> AsyncGenerator[int]:
    """The port of a peer that hangs: says `first` to whoever connects, then nothing."""
    connections: list[asyncio.StreamWriter] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        writer.write(first)
        while reads and await reader.read(2**16):
            pass

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            connection.transport.abort()
        await server.wait_closed()


class Elsewhere(LocalDiscovery):
    """Sends lanes that ask for one of `ports` there."""

    def __init__(self, servers: dict[str, LaneServer], ports: dict[str, int]) -> None:
        super().__init__(servers)
        self._ports = ports

    async def address(self, replica: str | None) -> Address:
        if replica in self._ports:
            return Address(replica, "127.0.0.1", self._ports[replica], "token")
        return await super().address(replica)
