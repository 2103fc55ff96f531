"""Frames: how large they get, what reading them costs, and what a stranger may send."""

import asyncio
import logging
import time
from typing import Any

import pytest

from deployments.lane import frames, server
from deployments.lane.client import Lane
from deployments.lane.connection import Connection
from deployments.lane.frames import Answer, Cancel, Hello, Kind, Splitter, Submit
from deployments.lane.local import LocalDiscovery
from deployments.lane.server import MAX_GREETING_BYTES, Address
from models.errors import DeadlineExceeded
from tests.unit.lane.callee import GENEROUS_S, Callee, laid, raised, until

KIB = 1024
FRAME_BYTES = 256 * KIB


class Wire(asyncio.Transport):
    """A transport that keeps what is written; from `full_after` writes on, its peer does not read."""

    def __init__(self, *, full_after: int | None = None) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self.full_after = full_after
        self.aborted = False
        self.connection: Connection | None = None

    def write(self, data: Any) -> None:
        self.frames.append(bytes(data))
        if self.connection is not None and len(self.frames) == self.full_after:
            self.connection.pause_writing()

    def abort(self) -> None:
        self.aborted = True


def connected(wire: Wire, *, greeting: Any = None) -> Connection:
    splitter: Splitter[Answer] = Splitter(frames.answers)
    wire.connection = Connection(splitter, receive=lambda _: None, closed=lambda: None, greeting=greeting)
    wire.connection.connection_made(wire)
    return wire.connection


def submits(*sizes: int) -> list[Submit]:
    return [Submit(n + 1, "m", 1.0, bytes(size)) for n, size in enumerate(sizes)]


def read(wire: Wire) -> list[list[int]]:
    """The ids of each frame's messages."""
    return [[message.id for message in Splitter(frames.ups).feed(frame)] for frame in wire.frames]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sizes", "cut"),
    [
        ([10, 10, 10], [[1, 2, 3]]),
        ([200 * KIB, 50 * KIB, 10 * KIB, 10], [[1, 2], [3, 4]]),
        ([10, 1024 * KIB, 10, 10], [[1], [2], [3, 4]]),
        ([300 * KIB, 300 * KIB], [[1], [2]]),
    ],
)
async def test_a_frame_is_cut_before_it_gets_large(sizes: list[int], cut: list[list[int]]) -> None:
    wire = Wire()
    connection = connected(wire)
    for message in submits(*sizes):
        connection.put(message)
    await asyncio.sleep(0)
    assert read(wire) == cut
    connection.connection_lost(None)


async def test_what_waited_for_a_slow_peer_leaves_in_frames_as_it_reads() -> None:
    wire = Wire(full_after=2)
    connection = connected(wire)
    connection.pause_writing()
    for message in [*submits(*[100 * KIB] * 7), Cancel(8)]:
        connection.put(message)
    await asyncio.sleep(0)
    assert wire.frames == []
    connection.resume_writing()
    assert read(wire) == [[1, 2], [3, 4]]
    connection.resume_writing()
    assert read(wire) == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert max(map(len, wire.frames)) < FRAME_BYTES + KIB
    connection.connection_lost(None)


async def test_a_greeting_has_its_own_frame() -> None:
    wire = Wire()
    connection = connected(wire, greeting=Hello("token"))
    connection.put(Cancel(1))
    await asyncio.sleep(0)
    assert wire.frames == [bytes(frames.encode([Hello("token")])), bytes(frames.encode([Cancel(1)]))]
    connection.connection_lost(None)


async def test_many_large_requests_at_once_do_not_cut_their_lane() -> None:
    async with laid(Callee("a"), retries=0) as (lane, _):
        large = bytes(23 * 2**20)
        calls = [lane.call("measure", large, timeout_s=GENEROUS_S) for _ in range(3)]
        assert await asyncio.gather(*calls) == [str(len(large)).encode()] * 3


def test_reading_a_large_frame_in_small_pieces_costs_no_more_than_its_bytes() -> None:
    frame = bytes(frames.encode([Answer(1, Kind.ITEM, bytes(16 * 2**20))]))
    splitter: Splitter[Answer] = Splitter(frames.answers)
    began = time.process_time()
    found = [m for at in range(0, len(frame), 4096) for m in splitter.feed(frame[at : at + 4096])]
    assert time.process_time() - began < 1
    assert [len(message.payload) for message in found] == [16 * 2**20]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
def test_messages_are_the_same_however_the_bytes_arrive(piece: int) -> None:
    said = b"".join(frames.encode(batch) for batch in (submits(1, 2, 30), [], [Cancel(4)], submits(500)))
    splitter: Splitter[frames.Up] = Splitter(frames.ups)
    found = [m for at in range(0, len(said), piece) for m in splitter.feed(said[at : at + piece])]
    assert found == [*submits(1, 2, 30), Cancel(4), *submits(500)]


def test_a_splitter_has_its_own_limit() -> None:
    splitter: Splitter[frames.Up] = Splitter(frames.ups, max_frame_bytes=10)
    assert list(splitter.feed(b"\0\0\0\x0a")) == []
    with pytest.raises(ValueError, match="too large"):
        list(Splitter(frames.ups, max_frame_bytes=10).feed(b"\0\0\0\x0b"))


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 64,
        b"\x00\x00\x00\x02\x91\x92",
        b"\x00\x00\x00\x01\xc0",
        bytes(frames.encode([Cancel(1)])),
        bytes(frames.encode([Hello("wrong")])),
        bytes(frames.encode([Hello("wröng")])),
        (MAX_GREETING_BYTES + 1).to_bytes(4, "big"),
        b"\x00\x00\x0f\xa6\x91\x93\x00\xa1x" + b"\x91" * 4000 + b"\x90",
    ],
)
async def test_whoever_does_not_know_the_token_or_the_protocol_is_hung_up_on(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    callee = Callee("a")
    address = await callee.server.start("127.0.0.1")
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(said)
    assert await asyncio.wait_for(reader.read(), 0.5) == b""
    writer.close()
    await writer.wait_closed()
    await callee.server.stop()
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


async def test_whoever_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GREETING_S", 0.05)
    callee = Callee("a")
    address = await callee.server.start("127.0.0.1")
    reader, writer = await asyncio.open_connection(address.host, address.port)
    async with laid(callee) as (lane, _):
        await lane.reach(timeout_s=GENEROUS_S)
        assert await asyncio.wait_for(reader.read(), 0.5) == b""
        await asyncio.sleep(0.05)
        assert len(callee.server._callers) == 1
        assert await lane.call("echo", b"x", timeout_s=GENEROUS_S) == b"a:x"
    writer.close()


async def test_many_strangers_do_not_keep_a_lane_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_STRANGERS", 3)
    callee = Callee("a")
    address = await callee.server.start("127.0.0.1")
    strangers = []
    for count in range(1, 6):
        strangers.append(await asyncio.open_connection(address.host, address.port))
        await until(lambda count=count: len(callee.server._strangers) == min(count, 3))  # type: ignore[misc]
    for reader, _ in strangers[:2]:
        assert await asyncio.wait_for(reader.read(), 0.5) == b""
    assert not any(reader.at_eof() for reader, _ in strangers[2:])
    async with laid(callee) as (lane, _):
        assert await lane.call("echo", b"x", timeout_s=GENEROUS_S) == b"a:x"
    for _, writer in strangers:
        writer.close()


async def test_a_wrong_token_runs_nothing() -> None:
    callee = Callee("a")
    address = await callee.server.start("127.0.0.1")

    class Lying(LocalDiscovery):
        async def address(self, replica: str | None) -> Address:
            return Address(address.replica, address.host, address.port, "guessed")

    lane = Lane(Lying({"a": callee.server}), name="test", retries=0)
    error = await raised(lane.call("hold", b"x", timeout_s=0.2))
    assert isinstance(error, DeadlineExceeded)
    assert error.sent is False
    assert callee.begun == []
    lane.close()
    await callee.server.stop()
