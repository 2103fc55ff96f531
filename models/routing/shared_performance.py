"""Live performance of all replicas together, over Redis: bounded, and no harm done when Redis is away."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from models.routing.performance import SLICE_S, SLICES, LivePerformance, ModelStatus, Tally

log = logging.getLogger(__name__)

PREFIX = "polyvox:performance"
STATUS_PREFIX = "model:status"
STATUS_KEPT_S = 60
DEADLINE_S = 1.0
"""Aside of requests: nobody waits for it."""
SETTLED = 3
"""Slices that are so old do not change any more: they are read once."""


class SharedPerformance:
    def __init__(
        self, redis: Redis, live: LivePerformance, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._live = live
        self._clock = clock
        self._settled: dict[int, dict[str, Tally]] = {}

    async def run_once(self) -> None:
        """Tells what this replica has counted, and hears of the others. Raises nothing."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._tell()
                self._live.share(await self._hear())
        except (RedisError, OSError, TimeoutError) as error:
            self._live.share(None)
            log.debug("performance is not shared: %s", error)

    async def show(self, status: ModelStatus) -> None:
        """For whoever reads `model:status:<model>`. Raises nothing."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                name = f"{STATUS_PREFIX}:{status.model_id}"
                await self._redis.set(name, msgspec.json.encode(status), ex=STATUS_KEPT_S)
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("a status was not shown: %s", error)

    async def _tell(self) -> None:
        unsent = self._live.take_unsent()
        if not unsent:
            return
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for at, of_models in unsent.items():
                    for model_id, tally in of_models.items():
                        for name, count in tally.items():
                            pipeline.hincrby(f"{PREFIX}:{at}", f"{model_id}|{name}", count)
                    pipeline.expire(f"{PREFIX}:{at}", SLICE_S * SLICES)
                await pipeline.execute()
        except BaseException:
            # Told once more, perhaps, of what got there after all: a few calls count twice, none is lost.
            self._live.give_back(unsent)
            raise

    async def _hear(self) -> dict[int, dict[str, Tally]]:
        now = int(self._clock()) // SLICE_S
        wanted = [at for at in range(now - SLICES + 1, now + 1) if at not in self._settled]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for at in wanted:
                pipeline.hgetall(f"{PREFIX}:{at}")
            rows = await pipeline.execute()
        heard = {at: _tallies(row) for at, row in zip(wanted, rows, strict=True)}
        self._settled |= {at: tallies for at, tallies in heard.items() if at <= now - SETTLED}
        for old in [at for at in self._settled if at <= now - SLICES]:
            del self._settled[old]
        return {**self._settled, **heard}


def _tallies(row: dict[bytes, bytes]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    for field, count in row.items():
        model_id, _, name = field.decode().rpartition("|")
        found.setdefault(model_id, Counter())[name] = int(count)
    return found
