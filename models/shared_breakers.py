"""Which breakers are open, told from replica to replica over Redis, and `model:status:*` for all who look.

Hints only: another replica's open breaker puts a model behind others, and opens ours at its next failure. If
Redis is away everybody goes by what they have seen themselves.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from models.breakers import Breakers
from models.routing.performance import ModelStatus
from models.routing.shared_performance import STATUS_KEPT_S, STATUS_PREFIX

log = logging.getLogger(__name__)

HINTS = "model:breakers"
HINTS_KEPT_S = 120
DEADLINE_S = 1.0
"""Aside of requests: nobody waits for it."""
SHOW_EVERY_S = 10.0
MAX_HINTS = 2_000


class SharedBreakers:
    """`clock` is wall time: replicas have to agree on it to a second or so."""

    def __init__(
        self,
        redis: Redis,
        breakers: Breakers,
        *,
        statuses: Callable[[], Iterable[ModelStatus]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._breakers = breakers
        self._statuses = statuses
        self._clock = clock
        self._told: set[str] = set()
        self._shown_at = float("-inf")

    async def run_once(self) -> None:
        """The job. Raises nothing."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                heard = await self._exchange()
                stale = [key for key, until in heard.items() if until <= self._clock()]
                if stale:
                    await self._redis.hdel(HINTS, *stale)
                await self._show()
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("breakers are not shared: %s", error)

    async def _exchange(self) -> Mapping[str, float]:
        now = self._clock()
        mine = {key: now + left_s for key, left_s in self._breakers.opened().items()}
        async with self._redis.pipeline(transaction=False) as pipe:
            if closed := self._told - mine.keys():
                pipe.hdel(HINTS, *closed)
            if mine:
                pipe.hset(HINTS, mapping={key: f"{until:.1f}" for key, until in mine.items()})
                pipe.expire(HINTS, HINTS_KEPT_S)
            pipe.hgetall(HINTS)
            *_, told = await pipe.execute()
        self._told = set(mine)
        heard = _times(told)
        self._breakers.hint(
            {key: until - now for key, until in heard.items() if until > now and key not in mine}
        )
        return heard

    async def _show(self) -> None:
        if self._clock() < self._shown_at + SHOW_EVERY_S:
            return
        self._shown_at = self._clock()
        async with self._redis.pipeline(transaction=False) as pipe:
            for status in self._statuses():
                name = f"{STATUS_PREFIX}:{status.model_id}"
                pipe.set(name, msgspec.json.encode(status), ex=STATUS_KEPT_S)
            await pipe.execute()


def _times(told: Mapping[bytes, bytes]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, until in list(told.items())[:MAX_HINTS]:
        with suppress(ValueError, UnicodeDecodeError):
            found[key.decode()] = float(until)
    return found
