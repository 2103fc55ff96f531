"""What a lane does while a replica cannot be reached, hangs or leaves; and a server with its callers."""

import asyncio
import sys
from contextlib import aclosing

import pytest

from deployments.lane import call, connection, frames, server
from deployments.lane.client import Lane
from deployments.lane.frames import WELCOME, Answer, Hello, Kind, Submit
from deployments.lane.local import LocalDiscovery
from models.errors import DeadlineExceeded, Overloaded, ReplicaLost
from tests.unit.lane.callee import GENEROUS_S, Callee, Elsewhere, laid, raised, silent, until

BEAT_S = 0.03


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEARTBEAT_S", BEAT_S)


async def test_what_was_cancelled_while_it_waited_is_never_placed() -> None:
    callee = Callee("a")
    async with laid() as (lane, discovery):
        given_up = asyncio.create_task(lane.call("hold", b"given up", timeout_s=GENEROUS_S))
        kept = asyncio.create_task(lane.call("hold", b"kept", timeout_s=GENEROUS_S))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        discovery.set({"a": callee.server})
        callee.release.set()
        assert await kept == b"a"
        assert callee.begun == [b"kept"]
        await callee.server.stop()


async def test_without_a_replica_a_request_is_turned_down_before_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call, "PLACE_S", 0.05)
    async with laid() as (lane, _):
        error = await asyncio.wait_for(raised(lane.call("echo", b"x", timeout_s=60)), 2)
    assert (type(error), getattr(error, "sent", None)) == (Overloaded, False)


async def test_one_that_refuses_connections_time_and_again_is_no_replica(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call, "PLACE_S", 0.7)
    async with silent() as port:
        pass
    lane = Lane(Elsewhere({"gone": Callee("gone").server}, {"gone": port}), name="test", retries=0)
    error = await asyncio.wait_for(raised(lane.call("echo", b"x", timeout_s=60)), 3)
    assert (type(error), getattr(error, "sent", None)) == (Overloaded, False)
    lane.close()


async def test_a_deadline_tells_whether_a_replica_may_have_had_the_request() -> None:
    callee = Callee("a")
    async with laid() as (lane, discovery):
        unsent = await raised(lane.call("hold", b"x", timeout_s=0.05))
        discovery.set({"a": callee.server})
        await lane.reach(timeout_s=GENEROUS_S)
        sent = await raised(lane.call("hold", b"x", timeout_s=0.05))
        assert isinstance(unsent, DeadlineExceeded)
        assert isinstance(sent, DeadlineExceeded)
        assert (unsent.sent, sent.sent) == (False, True)
        lane.close()
        await callee.server.stop()


@pytest.mark.parametrize("turns", range(4))
async def test_closing_a_lane_ends_what_waits_for_a_replica_or_a_connection(turns: int) -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        placed = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        for _ in range(turns):
            await asyncio.sleep(0)
        lane.close()
        assert isinstance(await asyncio.wait_for(raised(placed), 1), ReplicaLost)
        assert lane._channels == {}
    async with laid() as (lane, _):
        waiting = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        for _ in range(turns):
            await asyncio.sleep(0)
        lane.close()
        assert isinstance(await asyncio.wait_for(raised(waiting), 1), ReplicaLost)


async def test_a_replica_that_leaves_while_it_is_being_connected_to_is_left_for_another() -> None:
    first, second = Callee("first"), Callee("second")
    async with laid(first, second) as (lane, discovery):
        discovery.set({"first": first.server})
        given_up = asyncio.create_task(lane.call("echo", b"x", timeout_s=GENEROUS_S))
        await asyncio.sleep(0)
        given_up.cancel()
        discovery.set({"second": second.server})
        assert await lane.call("echo", b"y", timeout_s=GENEROUS_S) == b"second:y"
        await until(lambda: list(lane._channels) == ["second"])


async def test_what_waits_for_a_connection_to_a_replica_that_leaves_goes_elsewhere() -> None:
    fine = Callee("fine")
    async with silent() as port:
        discovery = Elsewhere({"hangs": fine.server}, {"hangs": port})
        lane = Lane(discovery, name="test", retries=0)
        work = asyncio.create_task(lane.call("echo", b"x", timeout_s=GENEROUS_S))
        await until(lambda: "hangs" in lane._channels)
        discovery.set({"fine": fine.server})
        assert await asyncio.wait_for(work, 1) == b"fine:x"
        lane.close()
        await fine.server.stop()


@pytest.mark.parametrize("payload", [b"x", bytes(20 * 2**20)], ids=["small", "more than the socket takes"])
@pytest.mark.parametrize("first", [b"", bytes(frames.encode([WELCOME]))], ids=["from the start", "later"])
@pytest.mark.usefixtures("hasty")
async def test_a_replica_that_hangs_is_given_up(first: bytes, payload: bytes) -> None:
    fine = Callee("fine")
    async with silent(first=first, reads=False) as port:
        discovery = Elsewhere({"hangs": fine.server}, {"hangs": port})
        lane = Lane(discovery, name="test", retries=1)
        work = asyncio.create_task(lane.call("measure", payload, timeout_s=GENEROUS_S))
        await until(lambda: "hangs" in lane._channels)
        discovery.set({"hangs": fine.server, "fine": fine.server})
        assert await asyncio.wait_for(work, 3) == str(len(payload)).encode()
        lane.close()
        await fine.server.stop()


async def test_a_replica_that_has_not_answered_the_greeting_is_for_when_there_is_no_other() -> None:
    fine = Callee("fine")
    async with silent() as port:
        lane = Lane(Elsewhere({"fine": fine.server}, {"hangs": port}), name="test", retries=0)
        await lane.reach(timeout_s=GENEROUS_S)
        assert isinstance(lane.discovery, LocalDiscovery)
        lane.discovery.set({"hangs": fine.server, "fine": fine.server})
        for _ in range(20):
            assert await lane.call("echo", b"x", timeout_s=0.5) == b"fine:x"
        lane.close()
        await fine.server.stop()


@pytest.mark.usefixtures("hasty")
async def test_a_lane_on_which_nothing_happens_stays() -> None:
    callee = Callee("a")
    async with laid(callee, retries=0) as (lane, _):
        held = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        await asyncio.sleep(4 * connection.SILENT_BEATS * BEAT_S)
        callee.release.set()
        assert await held == b"a"


@pytest.mark.usefixtures("hasty")
async def test_a_caller_that_hangs_takes_its_requests_with_it() -> None:
    callee = Callee("a")
    address = await callee.server.start("127.0.0.1")
    _, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(frames.encode([Hello(address.token)]))
    writer.write(frames.encode([Submit(1, "hold", 60.0, b"x")]))
    await until(lambda: callee.begun == [b"x"])
    await until(lambda: callee.cancelled == [b"x"])
    assert callee.server._callers == set()
    writer.transport.abort()
    await callee.server.stop()


async def test_a_draining_server_refuses_what_is_new_and_waits_for_its_callers_to_leave() -> None:
    leaving, staying = Callee("leaving"), Callee("staying")
    async with laid(leaving) as (lane, discovery):
        held = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        await until(lambda: leaving.begun == [b"x"])
        drained = asyncio.create_task(leaving.server.drain())
        await asyncio.sleep(0)
        error = await raised(lane.call("echo", b"y", timeout_s=GENEROUS_S))
        assert isinstance(error, Overloaded)
        assert error.sent is False
        leaving.release.set()
        assert await held == b"leaving"
        await asyncio.sleep(0.05)
        assert not drained.done()
        discovery.set({"staying": staying.server})
        await asyncio.wait_for(drained, 1)
        await staying.server.stop()


async def test_a_drained_server_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LEAVE_S", 0.05)
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        await lane.reach(timeout_s=GENEROUS_S)
        await asyncio.wait_for(callee.server.drain(), 1)


async def test_nobody_keeps_a_request_while_its_answer_is_read() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        assert await lane.call("holders", bytes(1000), timeout_s=GENEROUS_S) == b"1"
        payload = bytes(1000)
        held = sys.getrefcount(payload)
        async with aclosing(lane.stream("first", payload, timeout_s=GENEROUS_S)) as answer:
            await anext(answer)
            assert sys.getrefcount(payload) == held


async def test_an_answer_that_no_frame_could_carry_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_PAYLOAD_BYTES", 100)
    async with laid(Callee("a")) as (lane, _):
        held = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        error = await raised(lane.call("echo", bytes(200), timeout_s=GENEROUS_S))
        assert "too large" in str(error)
        assert not held.done()
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)


def test_a_welcome_is_no_answer_of_a_request() -> None:
    assert Answer(0, Kind.END) == WELCOME
