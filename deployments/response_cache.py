"""The response cache's store in Redis: asked for a moment, left alone for a while when it does not answer."""

import asyncio
import logging
import time

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

DEADLINE_S = 0.05
AWAY_S = 1.0
MAX_CONNECTIONS = 32


class RedisCache:
    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1.0, max_connections=MAX_CONNECTIONS
        )
        self._away_until = 0.0

    async def get(self, key: str) -> bytes | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await self._redis.get(key)
                return found if isinstance(found, bytes) else None
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return None

    async def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._redis.set(key, value, ex=ttl_s)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)

    async def close(self) -> None:
        await self._redis.aclose()

    def _lost(self, error: Exception) -> None:
        self._away_until = time.monotonic() + AWAY_S
        log.info("the response cache is away: %r", error)
