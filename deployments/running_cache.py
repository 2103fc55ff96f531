"""The response cache of one replica: in memory, in Redis, by meaning in the database, and the news of it."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter

from deployments.api.management import cache
from deployments.housekeeping import Job
from deployments.response_cache import CacheNews, RedisCache
from models.caching import (
    CacheInvalidation,
    Invalidation,
    LocalAnswers,
    Mode,
    PostgresSimilar,
    SimilarAnswers,
)
from models.caching.similar import Embed
from models.catalog import Catalog
from models.identity import Directory
from models.open_calls import OpenCalls
from models.response_cache import ResponseCache
from models.routing.policies import Policies
from models.store import Database

LISTEN_AGAIN_S = 1.0
SWEEP_EVERY_S = 60.0


class RunningCache:
    """`embed` and `database` are asked for questions that mean the same, unless `mode` is off."""

    def __init__(
        self,
        redis_url: str,
        database: Database,
        calls: OpenCalls,
        *,
        catalog: Callable[[], Catalog],
        policies: Policies,
        embed: Embed,
        secret: bytes,
        ttl_s: int,
        mode: Mode = "off",
    ) -> None:
        self._store = RedisCache(redis_url)
        self._local = LocalAnswers()
        self._alike = PostgresSimilar(database)
        self.similar = SimilarAnswers(self._alike, embed, secret=secret, mode=mode)
        self.cache = ResponseCache(
            self._store,
            calls,
            catalog=catalog,
            secret=secret,
            ttl_s=ttl_s,
            policies=policies,
            local=self._local,
            similar=self.similar,
        )
        self._news = CacheNews(redis_url, heard=self.cache.forget, missed=self._local.clear)
        self.invalidation = CacheInvalidation([self._store.invalidate, self._alike.invalidate, self._here])

    @property
    def jobs(self) -> Sequence[Job]:
        return (
            Job("the news of the response cache", LISTEN_AGAIN_S, self._news.run_once),
            Job("the sweep of the semantic cache", SWEEP_EVERY_S, self._alike.sweep),
        )

    def routes(self, directory: Directory, *, model_id: Callable[[str], str]) -> APIRouter:
        """As `deployments.api.management.cache` takes them."""
        return cache.router(self.invalidation, directory, similar=self.similar, model_id=model_id)

    async def close(self) -> None:
        await self._news.close()
        await self._store.close()

    async def _here(self, what: Invalidation) -> None:
        self.cache.forget(what)
