"""The product in one process: `models.gateway` and all that it stands on, behind one HTTP surface."""

import asyncio
import hmac
import time
from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.api.app import Api
from deployments.api.door import Door
from deployments.api.files import Uploads
from deployments.catalogue import following, live_catalogue
from deployments.clients import ContextLane, LedgerLane, ProviderLanes, RouterLane
from deployments.housekeeping import Housekeeping, Job
from deployments.idempotency import RunningIdempotency
from deployments.lane.client import Lane
from deployments.lane.discovery import ServeDiscovery
from deployments.live_performance import sharing
from deployments.management import management
from deployments.news import conversation_news, not_told
from deployments.running_cache import RunningCache
from deployments.running_limits import RunningLimits
from deployments.settings import Args, Environment, available_models
from models.batches import FileStore
from models.breakers import Breakers
from models.catalog import Catalog
from models.conditions import Conditions
from models.conversations import PostgresConversations
from models.embedder import Embedder
from models.errors import PolyvoxError
from models.gateway import Gateway
from models.health import HealthWatch
from models.identity import Authenticator, PostgresKeyStore, load_pepper
from models.ledger.durable import DurableLedger
from models.ledger.outbox import Outbox
from models.limits import Shedder
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.routing.aside import Aside
from models.routing.decisions import PostgresDecisions
from models.routing.feedback import PostgresFeedback
from models.routing.performance import LivePerformance
from models.routing.policies import PostgresPolicies, RememberedPolicies
from models.routing.router import RuleRouter
from models.store import Database
from models.summarizer import Summarizer

RENEW_EVERY_S = 8.0
TELL_EVERY_S = 1.0
NOTE_EVERY_S = 1.0
LOOK_EVERY_S = 5.0

Handle = DeploymentHandle[Any]


class Product:
    """Belongs to one event loop."""

    def __init__(
        self, args: Args, *, providers: dict[str, Handle], router: Handle, context: Handle, ledger: Handle
    ) -> None:
        self._args = args
        self._environment = Environment()
        self._providers = {name: _lane(name, handle, retries=0) for name, handle in providers.items()}
        self._router = _lane("router", router)
        self._context = _lane("context", context)
        self._ledger = _lane("ledger", ledger)
        url = self._environment.database_url.get_secret_value()
        # A restart of the database is waited for: a key that cannot be looked up just now is not refused.
        # One that hangs is known to within some seconds.
        self._database = Database(
            url,
            max_size=2,
            acquire_timeout_s=4.0,
            statement_timeout_s=2.0,
            application_name="polyvox-gateway",
        )
        # Apart, so that a long report keeps no request from being let in.
        self._reports = Database(
            url,
            max_size=4,
            acquire_timeout_s=10.0,
            statement_timeout_s=30.0,
            application_name="polyvox-management",
        )
        pepper = load_pepper(self._environment.pepper_path)
        self._idempotency = RunningIdempotency(url, secret=pepper)
        policies = RememberedPolicies(PostgresPolicies(self._database), clock=time.monotonic)
        live = live_catalogue(args, self._environment)
        catalog = live.current
        available = available_models(catalog)
        self._provider_lanes = ProviderLanes(catalog, self._providers)
        self._outbox = Outbox(self._environment.outbox_path)
        durable = DurableLedger(
            LedgerLane(self._ledger, timeout_s=args.ledger_timeout_s),
            self._outbox,
            patience_s=args.ledger_patience_s,
        )
        self._limits = RunningLimits(self._environment, self._database)
        self._open_calls = OpenCalls(durable, limits=self._limits.admission)
        self._engine = ContextLane(self._context)
        self._rule = RuleRouter(catalog, available)
        performance, breakers = LivePerformance(), Breakers()
        health = HealthWatch(self._provider_lanes.check_health, self._hosts)
        conditions = Conditions(
            performance,
            breakers=breakers,
            health=health,
            model=lambda model_id: self._gateway.catalog.models.get(model_id),
        )
        decided = Aside(PostgresDecisions(self._reports).write)
        taken = Aside(PostgresFeedback(self._reports).note)
        self._asides = (decided, taken)
        self._gateway = Gateway(
            catalog=catalog,
            available=available,
            providers=self._provider_lanes,
            router=ModelRouter(
                RouterLane(self._router),
                rule=self._rule,
                policies=policies,
                conditions=conditions,
                decided=decided.note,
                taken=taken.note,
            ),
            context=self._engine,
            calls=self._open_calls,
            timeouts=args.timeouts(),
        )
        if args.summaries.model is not None:
            self._gateway.on_turn = Summarizer(
                self._gateway.chat,
                self._engine,
                self._open_calls,
                model=args.summaries.model,
                max_tokens=args.summaries.max_tokens,
            ).turn_kept
        self._embedder = Embedder(
            catalog=catalog,
            available=available,
            providers=self._provider_lanes,
            calls=self._open_calls,
            timeouts=args.timeouts(),
            check_access=self._gateway.router.check_access,
        )
        self._cache: RunningCache | None = None
        redis = self._environment.redis_url
        if redis is not None and args.response_cache_s:
            self._cache = RunningCache(
                redis.get_secret_value(),
                self._reports,
                self._open_calls,
                catalog=lambda: self._gateway.catalog,
                policies=policies,
                embed=self._engine.meaning,
                secret=pepper,
                ttl_s=args.response_cache_s,
                mode=args.semantic_cache,
            )
            self._gateway.cache = self._cache.cache
        self._housekeeping = Housekeeping(
            [
                Job("the renewal of holds", RENEW_EVERY_S, self._open_calls.renew),
                Job("the outbox", TELL_EVERY_S, durable.tell_kept),
                Job("what was decided", NOTE_EVERY_S, decided.run_once),
                Job("how answers were taken", NOTE_EVERY_S, taken.run_once),
                following(live, self._use),
                Job("the health of hosts", LOOK_EVERY_S, health.run_once),
                *sharing(
                    self._environment,
                    performance,
                    breakers=breakers,
                    statuses=lambda: conditions.statuses(sorted(self._gateway.available)),
                ),
                *self._limits.jobs,
                *self._idempotency.jobs,
                *(() if self._cache is None else self._cache.jobs),
            ]
        )

    def api(self) -> Api:
        """The HTTP surface, to be called once."""
        pepper = load_pepper(self._environment.pepper_path)
        news = conversation_news(self._environment)
        changed = news.tell if news is not None else not_told
        keys = Authenticator(PostgresKeyStore(self._database), pepper, ttl_s=self._args.key_cache_s)
        files = FileStore(
            self._reports,
            most_bytes=self._args.batches.max_file_bytes,
            most_tenant_bytes=self._args.batches.max_tenant_bytes,
        )
        surface = management(
            self._args,
            self._reports,
            pepper=pepper,
            forget_key=keys.forget,
            gateway=self._gateway,
            limits=self._limits.book,
            files=files,
            changed=changed,
            embed_query=self._engine.meaning,
            cache_routes=None if self._cache is None else self._cache.routes,
        )
        return Api(
            self._gateway,
            keys,
            unready=self._unready,
            sandboxed=self._environment.sandboxed_hosts,
            management=Uploads(files, surface),
            digest_key=hmac.digest(pepper, b"request digests", "sha256"),
            embedder=self._embedder,
            conversations=PostgresConversations(self._reports, changed=changed),
            once=self._idempotency.once,
            door=Door(self._limits.admission, Shedder([self._limits.loop_lag.pressure])),
            on_start=self.start,
        )

    def start(self) -> None:
        """Once there is an event loop; again: nothing happens."""
        self._housekeeping.start()
        self._limits.loop_lag.start()

    async def close(self) -> None:
        """Requests have ended by now; their records may still be under way."""
        await self._idempotency.close()
        await self._open_calls.settle_all()
        for aside in self._asides:
            await aside.run_once()
        await self._housekeeping.stop()
        await self._limits.close()
        if self._cache is not None:
            await self._cache.close()
        self._outbox.close()

    def _use(self, catalog: Catalog) -> None:
        available = available_models(catalog)
        self._provider_lanes.use(catalog)
        self._rule.use(catalog, available)
        self._gateway.catalog, self._gateway.available = catalog, available
        self._embedder.catalog, self._embedder.available = catalog, available

    def _hosts(self) -> set[str]:
        """That models can be asked of now."""
        models = self._gateway.catalog.models
        return {models[model_id].host for model_id in self._gateway.available if model_id in models}

    async def _unready(self) -> dict[str, str]:
        lanes = [*self._providers.values(), self._router, self._context, self._ledger]
        outcomes = await asyncio.gather(
            *(lane.reach(timeout_s=2.0) for lane in lanes), return_exceptions=True
        )
        missing = {}
        for lane, outcome in zip(lanes, outcomes, strict=True):
            if isinstance(outcome, PolyvoxError):
                missing[lane.name] = outcome.message
            elif outcome is not None:
                raise outcome
        return missing


def _lane(name: str, handle: Handle, *, retries: int = 1) -> Lane:
    return Lane(ServeDiscovery(handle), name=name, retries=retries)
