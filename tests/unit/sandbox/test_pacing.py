"""Streams keep their pace, stop when told, and wait for slow readers."""

import asyncio
from collections.abc import Callable, Iterator

import msgspec
import pytest

from deployments.sandbox.behaviour import Behaviour
from deployments.sandbox.exchange import Script
from deployments.sandbox.pacing import TICK_S, Player, Wheel


class Body:
    """Keeps what a player sends, and when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.paused = False
        self.sent: list[bytes] = []
        self.times: list[float] = []
        self.end = ""
        self.ended = asyncio.Event()
        self._clock = clock

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self.times.append(self._clock())

    def finish(self) -> None:
        self._over("finished")

    def fail(self) -> None:
        self._over("failed")

    def cut(self) -> None:
        self._over("cut")

    def _over(self, end: str) -> None:
        self.end = end
        self.ended.set()


def script(n: int) -> Script:
    frames: Iterator[bytes] = (b"%d," % i for i in range(n))
    return Script(
        head=b"<", frames=frames, count=n, tail=lambda: b">", error=lambda: b"!", garbage=b"?", hidden=0
    )


@pytest.mark.parametrize(
    ("behaviour", "body", "end", "sent"),
    [
        (Behaviour(), b"<0,1,2,>", "finished", 3),
        (Behaviour(die_after=2), b"<0,1,", "cut", 2),
        (Behaviour(die_after=0), b"<", "cut", 0),
        (Behaviour(error_after=1), b"<0,!", "failed", 1),
        (Behaviour(error_after=9), b"<0,1,2,>", "finished", 3),
        (Behaviour(garbage="1"), b"<0,?1,2,>", "finished", 3),
    ],
)
@pytest.mark.parametrize("rate", [None, 500.0])
async def test_what_is_sent_depends_on_the_behaviour_and_not_on_the_pace(
    behaviour: Behaviour, body: bytes, end: str, sent: int, rate: float | None
) -> None:
    loop = asyncio.get_running_loop()
    sink = Body(loop.time)
    player = Player(script(3), msgspec.structs.replace(behaviour, rate=rate), sink, Wheel(loop))
    player.start()
    await asyncio.wait_for(sink.ended.wait(), 5)
    assert (b"".join(sink.sent), sink.end, player.sent) == (body, end, sent)


async def test_the_pace_is_kept_over_the_whole_stream() -> None:
    loop = asyncio.get_running_loop()
    sink = Body(loop.time)
    Player(script(21), Behaviour(rate=100), sink, Wheel(loop)).start()
    await asyncio.wait_for(sink.ended.wait(), 5)
    assert sink.times[-1] - sink.times[0] >= 0.2 - 2 * TICK_S


async def test_a_slow_reader_is_waited_for_and_goes_on_from_there() -> None:
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    sink, other = Body(loop.time), Body(loop.time)
    player = Player(script(3), Behaviour(rate=500), sink, wheel)
    sink.paused = True
    player.start()
    Player(script(20), Behaviour(rate=500), other, wheel).start()
    await asyncio.wait_for(other.ended.wait(), 5)
    assert sink.sent == [b"<0,"]
    sink.paused = False
    player.resume()
    await asyncio.wait_for(sink.ended.wait(), 5)
    assert b"".join(sink.sent) == b"<0,1,2,>"


async def test_a_stopped_stream_sends_no_more() -> None:
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    sink, other = Body(loop.time), Body(loop.time)
    player = Player(script(3), Behaviour(rate=500), sink, wheel)
    player.start()
    player.stop()
    Player(script(20), Behaviour(rate=500), other, wheel).start()
    await asyncio.wait_for(other.ended.wait(), 5)
    assert sink.sent == [b"<0,"]


async def test_jobs_run_in_the_order_of_their_times() -> None:
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    ran: list[int] = []
    done = asyncio.Event()
    for delay in (4, 1, 3, 2):
        wheel.at(wheel.now() + delay * 2 * TICK_S, lambda delay=delay: ran.append(delay))  # type: ignore[misc]
    wheel.at(wheel.now() + 10 * TICK_S, done.set)
    await asyncio.wait_for(done.wait(), 5)
    assert ran == [1, 2, 3, 4]
