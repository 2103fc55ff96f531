"""Load that goes on while something else is done to the system, and what of it fell into which moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psutil

from tests.bench.figures import quantile
from tests.chaos.client import Call, Client, Ended

Step = tuple[float, Callable[[], Awaitable[None]]]
"""Seconds after the beginning, and what is done then."""


@dataclass(frozen=True)
class Moment:
    began: float
    ended: float
    """Of the monotonic clock."""

    def of(self, ended: Iterable[Ended]) -> list[Ended]:
        """The requests that began in it."""
        return [one for one in ended if self.began <= one.began < self.ended]


async def load_until(
    done: asyncio.Event, client: Client, calls: Iterator[Call], *, rate: float
) -> list[Ended]:
    """Open loop: each begins on time whatever becomes of the others."""
    loop = asyncio.get_running_loop()
    began, number, running = loop.time(), 0, []
    while not done.is_set():
        running.append(asyncio.create_task(client.send(next(calls))))
        number += 1
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
    return await asyncio.gather(*running)


async def under_load(
    client: Client, calls: Iterator[Call], steps: Sequence[Step], *, rate: float, rest_s: float
) -> tuple[list[Ended], list[Moment]]:
    """What became of the requests, and the moments between the steps: before the first, after each."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    load = asyncio.create_task(load_until(done, client, calls, rate=rate))
    began, times = loop.time(), [loop.time()]
    for after_s, step in steps:
        await asyncio.sleep(max(0.0, began + after_s - loop.time()))
        times.append(loop.time())
        await step()
    await asyncio.sleep(rest_s)
    times.append(loop.time())
    done.set()
    ended = await load
    return ended, [Moment(one, other) for one, other in pairwise(times)]


def failed(ended: Iterable[Ended]) -> list[str]:
    return [f"{one.outcome} {one.code}".strip() for one in ended if one.outcome != "done"]


def p99_ms(ended: Iterable[Ended]) -> float:
    took = sorted((one.ended - one.began) * 1000 for one in ended if one.outcome == "done")
    return quantile(took, 0.99) if took else float("inf")


def stop(processes: Iterable[psutil.Process]) -> None:
    """They hang: what is sent to them is taken, and nothing comes back."""
    for process in processes:
        process.suspend()


def go_on(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        if process.is_running():
            process.resume()
