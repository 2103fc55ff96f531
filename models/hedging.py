"""Two calls at once for an answer that is late: whichever has its first content first is the answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from models.allowance import Allowance
from models.errors import PolyvoxError

SHARE = 0.05
"""Of all requests, that may have a second call."""
AT_FIRST = 2
MOST = 50
LEAST_S = 0.02
"""Nobody is late before that."""


class Runner(Protocol):
    async def begin(self) -> None:
        """Returns with the first content. Raises what kept it from coming."""
        ...

    def leave(self, *, keeps_turn: bool = True) -> None:
        """Nobody reads it any more. `keeps_turn`: what it has said is the answer all the same."""
        ...


R = TypeVar("R", bound=Runner)


def hedge_allowance(clock: Callable[[], float] = time.monotonic) -> Allowance:
    """A replica's."""
    return Allowance(SHARE, at_first=AT_FIRST, most=MOST, clock=clock)


async def alone(runner: R, *, failed: Callable[[R, PolyvoxError], None]) -> R:
    """It, once it has begun. If it fails `failed` is told, and the error raised."""
    has_ended = False
    try:
        await runner.begin()
        has_ended = True
    except PolyvoxError as error:
        has_ended = True
        failed(runner, error)
        raise
    finally:
        if not has_ended:
            runner.leave()
    return runner


async def first_to_begin(
    first: R,
    *,
    after_s: float,
    second: Callable[[], Awaitable[R | None]],
    failed: Callable[[R, PolyvoxError], None],
) -> R:
    """Whichever begins first; the other is left.

    `second` makes another once `first` is late; None where there may be none. Each that fails is told to
    `failed`; if none goes on, the error of the last is raised.
    """
    running: dict[asyncio.Future[None], R] = {asyncio.ensure_future(first.begin()): first}
    begun: R | None = None
    try:
        done, _ = await asyncio.wait(running, timeout=max(after_s, LEAST_S))
        if not done and (other := await second()) is not None:
            running[asyncio.ensure_future(other.begin())] = other
        while begun is None:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            begun = _ended(running, failed)
        return begun
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for runner in running.values():
            runner.leave(keeps_turn=begun is None and runner is first)


def _ended(running: dict[asyncio.Future[None], R], failed: Callable[[R, PolyvoxError], None]) -> R | None:
    """Who has begun. Those that failed are taken out; raises the error of the last."""
    for task in [task for task in running if task.done()]:
        error = task.exception()
        if error is not None and not isinstance(error, PolyvoxError):
            raise error
        runner = running.pop(task)
        if error is None:
            return runner
        failed(runner, error)
        if not running:
            raise error
    return None
