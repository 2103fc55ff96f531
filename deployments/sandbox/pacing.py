"""One clock for everything that is due later: thousands of paced streams cost one wake-up a tick."""

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Protocol

from deployments.sandbox.behaviour import Behaviour
from deployments.sandbox.exchange import Script

TICK_S = 0.005

Job = Callable[[], None]


class Wheel:
    """Runs jobs within a tick of their time. A job checks itself whether it still applies."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Job]] = {}
        self._ticks: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed = math.inf

    def now(self) -> float:
        return self._loop.time()

    def at(self, when_s: float, job: Job) -> None:
        tick = math.ceil(when_s / TICK_S)
        slot = self._slots.get(tick)
        if slot is not None:
            slot.append(job)
            return
        self._slots[tick] = [job]
        heapq.heappush(self._ticks, tick)
        if tick < self._armed:
            self._arm(tick)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()
        self._ticks.clear()

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = tick
        self._timer = self._loop.call_at(tick * TICK_S, self._turn)

    def _turn(self) -> None:
        self._timer, self._armed = None, math.inf
        # uvloop's clock counts whole milliseconds and may fire one early.
        due = math.floor(self.now() / TICK_S + 0.25)
        while self._ticks and self._ticks[0] <= due:
            for job in self._slots.pop(heapq.heappop(self._ticks)):
                job()
        if self._ticks and self._ticks[0] < self._armed:
            self._arm(self._ticks[0])


class Sink(Protocol):
    """Where a stream goes: the body of one response."""

    paused: bool

    def send(self, data: bytes, /) -> None: ...

    def finish(self) -> None:
        """The body is complete."""
        ...

    def fail(self) -> None:
        """The body is complete and the answer is not: an error event was its last."""
        ...

    def cut(self) -> None:
        """Close the connection with the body incomplete."""
        ...


class Player:
    """Plays one script into a sink, at its pace, up to the end that its behaviour wants."""

    __slots__ = (
        "_behaviour",
        "_due",
        "_held",
        "_job",
        "_limit",
        "_period",
        "_script",
        "_sink",
        "_stopped",
        "_wheel",
        "sent",
    )

    def __init__(self, script: Script, behaviour: Behaviour, sink: Sink, wheel: Wheel) -> None:
        self.sent = 0
        """Frames so far."""
        self._script = script
        self._behaviour = behaviour
        self._sink = sink
        self._wheel = wheel
        cuts = [n for n in (behaviour.die_after, behaviour.error_after) if n is not None]
        self._limit = min([script.count, *cuts])
        self._period = 1 / behaviour.rate if behaviour.rate else 0.0
        self._due = wheel.now()
        self._held = self._stopped = False
        self._job = self._step

    def start(self) -> None:
        if self._period and self._limit:
            self._sink.send(self._script.head + self._next())
            self._go_on()
        else:
            head, frames = self._script.head, [self._next() for _ in range(self._limit)]
            self._sink.send(head + b"".join(frames))
            self._end()

    def stop(self) -> None:
        self._stopped = True

    def resume(self) -> None:
        """The reader has caught up: the pace starts anew."""
        if self._held:
            self._held = False
            self._due = self._wheel.now()
            self._step()

    def _step(self) -> None:
        if self._stopped:
            return
        if self._sink.paused:
            self._held = True
            return
        self._sink.send(self._next())
        self._go_on()

    def _next(self) -> bytes:
        frame = next(self._script.frames, b"")
        self.sent += 1
        if self._behaviour.garbage == "1" and self.sent == (self._limit + 1) // 2:
            return self._script.garbage + frame
        return frame

    def _go_on(self) -> None:
        if self.sent >= self._limit:
            self._end()
        else:
            self._due += self._period
            self._wheel.at(self._due, self._job)

    def _end(self) -> None:
        self._stopped = True
        behaviour, script = self._behaviour, self._script
        if behaviour.die_after is not None and self._limit == behaviour.die_after:
            self._sink.cut()
        elif behaviour.error_after is not None and self._limit == behaviour.error_after:
            self._sink.send(script.error())
            self._sink.fail()
        else:
            self._sink.send(script.tail())
            self._sink.finish()
