"""`Router`: which model answers, for requests that leave it open."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from pydantic import ValidationError
from ray import serve

from deployments.catalogue import following, live_catalogue
from deployments.housekeeping import Job
from deployments.lane_deployment import LaneDeployment
from deployments.live_performance import sharing
from deployments.settings import Args, Environment, available_models
from models.catalog import Catalog, Mode
from models.chat import ChatRequest
from models.errors import PolyvoxError
from models.ports import Router
from models.routing.decisions import KEPT_FOR, PostgresDecisions
from models.routing.feedback import Learning, Tastes
from models.routing.performance import LivePerformance
from models.routing.performance_store import PostgresPerformance
from models.routing.promotions import PromotionJob, Promotions
from models.routing.router import LearnedRouter, Setting
from models.routing.serving import RouterConfig, load
from models.routing.staged import StagedClassifier
from models.store import Database

log = logging.getLogger(__name__)

FOLLOW_EVERY_S = 2.0
LEARN_EVERY_S = 1.5
"""So old is what a replica knows that has just died."""
KEEP_EVERY_S = 60.0
FORGET_EVERY_S = 3_600.0

_question = msgspec.msgpack.Decoder(tuple[ChatRequest, Mode, Setting])


class RouterCalls:
    def __init__(self, router: Router, prepare: Callable[[], Awaitable[None]]) -> None:
        """`prepare` is awaited before the first decision: a replica that has just started is to know what the
        one before it knew."""
        self._router = router
        self._prepare = prepare
        self._is_prepared = False
        self._one_at_a_time = asyncio.Lock()

    async def plan(self, payload: bytes) -> AsyncIterator[bytes]:
        """`(ChatRequest, Mode, Setting)` in, a `Plan` out."""
        if not self._is_prepared:
            await self._get_ready()
        yield msgspec.msgpack.encode(await self._router.plan(*_question.decode(payload)))

    async def _get_ready(self) -> None:
        async with self._one_at_a_time:
            if not self._is_prepared:
                try:
                    await self._prepare()
                except PolyvoxError as error:
                    log.warning("the router decides by what it comes with: %s", error)
                self._is_prepared = True


class RouterDeployment(LaneDeployment):
    """Holds the classifier, and what is believed of models. What was learned is in PostgreSQL, how models do
    in Redis: any number of replicas may run, and they agree."""

    def __init__(self, args: Args) -> None:
        environment = Environment()
        live = live_catalogue(args, environment)
        database = Database(
            environment.database_url.get_secret_value(), max_size=2, application_name="polyvox-router"
        )
        trusted = [environment.artefact_keys_path]
        self._classifier = StagedClassifier(load=partial(load, trusted=trusted), share=args.encoder_share)
        self._performance = LivePerformance()
        self._kept = PostgresPerformance(database)
        self._learning = Learning(database)
        self._decisions = PostgresDecisions(database)
        self._router = LearnedRouter(
            live.current,
            available_models(live.current),
            classify=self._classifier.classify,
            performance=self._performance.performance,
            tastes=Tastes(database, clock=time.monotonic).of,
        )
        trial = PromotionJob(
            Promotions(database),
            self._classifier,
            replica=serve.get_replica_context().replica_id.unique_id,
        )
        self._is_restored = False
        super().__init__(
            {"plan": RouterCalls(self._router, self._learn).plan},
            max_in_flight=args.max_in_flight.router,
            jobs=[
                following(live, self._use),
                Job("what was learned", LEARN_EVERY_S, self._learn),
                Job("how models did", KEEP_EVERY_S, self._keep),
                Job("old decisions", FORGET_EVERY_S, self._forget),
                Job("the classifier on trial", FOLLOW_EVERY_S, trial.run_once),
                *sharing(environment, self._performance),
            ],
        )

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Which classifier serves, and which is on trial: Serve says so at the start, and when it changes."""
        try:
            await self._classifier.use(RouterConfig.model_validate(config))
        except ValidationError as error:
            log.error("a configuration of the router is wrong, the one before it stands: %s", error)

    async def __del__(self) -> None:
        await super().__del__()
        self._classifier.close()

    def _use(self, catalog: Catalog) -> None:
        self._router.use(catalog, available_models(catalog))

    async def _learn(self) -> None:
        if not self._is_restored:
            self._performance.restore(await self._kept.last())
            self._router.learn(self._learning.learned, lengths=await self._kept.answer_lengths())
            self._is_restored = True
        version = self._learning.learned.version
        await self._learning.run_once()
        if self._learning.learned.version != version:
            self._router.learn(self._learning.learned)

    async def _keep(self) -> None:
        await self._kept.keep(self._performance.measured().values())
        self._router.learn(self._learning.learned, lengths=await self._kept.answer_lengths())

    async def _forget(self) -> None:
        await self._decisions.forget(datetime.now(UTC) - KEPT_FOR)
