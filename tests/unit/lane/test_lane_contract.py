"""The contract of lanes, over real sockets and without Ray (docs/adr/0001-lanes.md)."""

import asyncio
from contextlib import aclosing

import pytest

from deployments.lane.client import Lane
from deployments.lane.local import LocalDiscovery
from deployments.lane.server import WINDOW_BYTES
from models.errors import (
    DeadlineExceeded,
    Internal,
    Overloaded,
    PayloadTooLarge,
    ProviderRateLimited,
    ReplicaLost,
)
from tests.unit.lane.callee import GENEROUS_S, Callee, items, laid, raised, until


async def test_an_answer_comes_back() -> None:
    async with laid(Callee("a")) as (lane, _):
        assert await lane.call("echo", b"hello", timeout_s=GENEROUS_S) == b"a:hello"


async def test_the_order_of_items_is_kept_among_many_requests() -> None:
    async with laid(Callee("a"), Callee("b")) as (lane, _):
        answers = await asyncio.gather(*(items(lane, "count", b"500") for _ in range(50)))
    assert answers == [[str(n).encode() for n in range(500)]] * 50


async def test_requests_of_one_turn_travel_in_one_frame() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        await lane.reach(timeout_s=GENEROUS_S)
        heard: list[bytes] = []
        accept = callee.server._callers.copy().pop().connection
        read = accept.data_received

        def listen(data: bytes) -> None:
            heard.append(data)
            read(data)

        accept.data_received = listen  # type: ignore[method-assign]
        await asyncio.gather(*(lane.call("echo", b"x", timeout_s=GENEROUS_S) for _ in range(100)))
    assert len(heard) <= 2


async def test_an_error_keeps_its_details_and_what_came_before_it() -> None:
    async with laid(Callee("a")) as (lane, _):
        seen: list[bytes] = []
        with pytest.raises(ProviderRateLimited) as caught:
            async for batch in lane.stream("fail", b"", timeout_s=GENEROUS_S):
                seen += batch
    assert seen == [b"one"]
    assert (caught.value.retry_after_s, caught.value.provider, caught.value.status) == (3.5, "openai", 429)


async def test_a_bug_is_one_requests_internal_error_and_tells_nothing() -> None:
    async with laid(Callee("a")) as (lane, _):
        broken, fine = await asyncio.gather(
            raised(items(lane, "break")), lane.call("echo", b"x", timeout_s=GENEROUS_S)
        )
    assert isinstance(broken, Internal)
    assert "secret" not in str(broken)
    assert fine == b"a:x"


async def test_an_unknown_method_is_an_error() -> None:
    async with laid(Callee("a")) as (lane, _):
        assert isinstance(await raised(items(lane, "nonsense")), Internal)


async def test_a_deadline_ends_its_request_on_both_sides_and_no_other() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        other = asyncio.create_task(lane.call("hold", b"other", timeout_s=GENEROUS_S))
        assert isinstance(await raised(items(lane, "hold", b"late", timeout_s=0.05)), DeadlineExceeded)
        await until(lambda: callee.cancelled == [b"late"])
        callee.release.set()
        assert await other == b"a"


async def test_cancelling_a_request_reaches_its_task_within_100_ms_and_no_other() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        tasks = [asyncio.create_task(lane.call("hold", str(n).encode(), timeout_s=9)) for n in range(10)]
        await until(lambda: len(callee.begun) == 10)
        tasks[3].cancel()
        await until(lambda: callee.cancelled == [b"3"], within_s=0.1)
        callee.release.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [n for n, a in enumerate(answers) if a != b"a"] == [3]
    assert (lane.in_flight, callee.server.in_flight) == (0, 0)


async def test_leaving_a_stream_early_cancels_it() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        async with aclosing(lane.stream("first", b"x", timeout_s=GENEROUS_S)) as answer:
            assert await anext(answer) == [b"first of x"]
        await until(lambda: callee.cancelled == [b"x"], within_s=0.1)


async def test_a_slow_reader_holds_back_its_own_answer_only() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        async with aclosing(lane.stream("flood", b"", timeout_s=GENEROUS_S)) as flood:
            await anext(flood)
            await asyncio.sleep(0.1)
            held = callee.sent
            assert held * 1024 <= 2 * WINDOW_BYTES
            assert await lane.call("echo", b"x", timeout_s=GENEROUS_S) == b"a:x"
            await asyncio.sleep(0.05)
            assert callee.sent == held
            read = 0
            while read < 4 * WINDOW_BYTES:
                read += sum(map(len, await anext(flood)))
            assert callee.sent > held
        await until(lambda: callee.server.in_flight == 0)


async def test_a_full_replica_is_passed_over_for_another() -> None:
    full, free = Callee("full", max_in_flight=0), Callee("free")
    async with laid(full, free) as (lane, _):
        answers = await asyncio.gather(*(lane.call("echo", b"x", timeout_s=GENEROUS_S) for _ in range(20)))
    assert set(answers) == {b"free:x"}


async def test_when_all_are_full_the_request_is_refused_at_once() -> None:
    async with laid(Callee("a", max_in_flight=2), Callee("b", max_in_flight=2)) as (lane, _):
        held = [asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S)) for _ in range(4)]
        await asyncio.sleep(0.05)
        error = await raised(lane.call("echo", b"x", timeout_s=GENEROUS_S))
        assert isinstance(error, Overloaded)
        assert error.sent is False
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_a_lane_bounds_what_it_holds_itself() -> None:
    discovery = LocalDiscovery({})
    lane = Lane(discovery, name="test", max_in_flight=1)
    waiting = asyncio.create_task(lane.call("echo", b"", timeout_s=GENEROUS_S))
    await asyncio.sleep(0)
    assert isinstance(await raised(lane.call("echo", b"", timeout_s=1)), Overloaded)
    assert isinstance(await raised(lane.call("echo", bytes(25 * 2**20), timeout_s=1)), PayloadTooLarge)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_what_a_dead_replica_had_not_begun_is_answered_by_another() -> None:
    doomed, heir = Callee("doomed"), Callee("heir")
    heir.release.set()
    async with laid(doomed) as (lane, discovery):
        calls = [asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S)) for _ in range(10)]
        await until(lambda: len(doomed.begun) == 10)
        discovery.set({"heir": heir.server, "doomed": doomed.server})
        await doomed.server.stop()
        assert await asyncio.gather(*calls) == [b"heir"] * 10
        await heir.server.stop()


async def test_what_a_dead_replica_had_begun_to_answer_fails() -> None:
    doomed, heir = Callee("doomed"), Callee("heir")
    async with laid(doomed) as (lane, discovery):
        answer = lane.stream("first", b"x", timeout_s=GENEROUS_S)
        assert await anext(answer) == [b"first of x"]
        discovery.set({"heir": heir.server})
        await doomed.server.stop()
        assert isinstance(await raised(anext(answer)), ReplicaLost)


async def test_without_retries_nothing_is_sent_twice() -> None:
    doomed, heir = Callee("doomed"), Callee("heir")
    async with laid(doomed, retries=0) as (lane, discovery):
        call = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        await until(lambda: doomed.begun == [b"x"])
        discovery.set({"heir": heir.server})
        await doomed.server.stop()
        assert isinstance(await raised(call), ReplicaLost)
        assert heir.begun == []


async def test_a_leaving_replica_finishes_what_it_holds_and_gets_nothing_new() -> None:
    leaving, staying = Callee("leaving"), Callee("staying")
    async with laid(leaving) as (lane, discovery):
        held = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        await until(lambda: leaving.begun == [b"x"])
        discovery.set({"staying": staying.server})
        assert await lane.call("echo", b"y", timeout_s=GENEROUS_S) == b"staying:y"
        drained = asyncio.create_task(leaving.server.drain())
        leaving.release.set()
        assert await held == b"leaving"
        await asyncio.wait_for(drained, 1)
        await until(lambda: not leaving.server._callers)
        await staying.server.stop()


async def test_requests_wait_for_the_first_replica_within_their_deadline() -> None:
    callee = Callee("a")
    async with laid() as (lane, discovery):
        early = asyncio.create_task(lane.call("echo", b"x", timeout_s=GENEROUS_S))
        assert isinstance(await raised(lane.call("echo", b"y", timeout_s=0.05)), DeadlineExceeded)
        discovery.set({"a": callee.server})
        assert await early == b"a:x"
        await callee.server.stop()


async def test_a_lost_caller_takes_its_requests_with_it() -> None:
    callee = Callee("a")
    async with laid(callee) as (lane, _):
        call = asyncio.create_task(lane.call("hold", b"x", timeout_s=GENEROUS_S))
        await until(lambda: callee.begun == [b"x"])
        lane.close()
        assert isinstance(await raised(call), ReplicaLost)
        await until(lambda: callee.cancelled == [b"x"])
        await until(lambda: callee.server.in_flight == 0)
