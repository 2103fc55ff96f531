"""What a replica does beside its requests: jobs that come round, each in a loop of its own."""

import asyncio
import contextvars
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from models.errors import PolyvoxError

log = logging.getLogger(__name__)


class Job(NamedTuple):
    name: str
    every_s: float
    run: Callable[[], Awaitable[object]]


class Housekeeping:
    """A job that fails is logged and comes round again; one that takes long is not run twice at once."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Again: nothing happens."""
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(_come_round(j), context=contextvars.Context()) for j in self._jobs
            ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _come_round(job: Job) -> None:
    while True:
        # Spread out, so that replicas do not come round together.
        await asyncio.sleep(job.every_s * random.uniform(0.75, 1.25))  # noqa: S311
        try:
            await job.run()
        except PolyvoxError as error:
            log.warning("%s has to wait: %s", job.name, error)
        except Exception:  # a job's bug must not end the others, nor itself for ever
            log.exception("%s failed", job.name)
