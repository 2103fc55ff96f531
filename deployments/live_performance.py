"""How replicas tell each other how models do."""

from collections.abc import Callable, Iterable, Sequence

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from deployments.housekeeping import Job
from deployments.settings import Environment
from models.breakers import Breakers
from models.routing.performance import LivePerformance, ModelStatus
from models.routing.shared_performance import SharedPerformance
from models.shared_breakers import SharedBreakers

SHARE_EVERY_S = 2.0
TELL_EVERY_S = 1.0


def sharing(
    environment: Environment,
    live: LivePerformance,
    *,
    breakers: Breakers | None = None,
    statuses: Callable[[], Iterable[ModelStatus]] = tuple,
) -> Sequence[Job]:
    """The jobs that do it; none without Redis: each replica knows its own calls then. `statuses` are shown to
    all who look, where `breakers` are told of too."""
    url = environment.redis_url
    if url is None:
        return ()
    redis = Redis.from_url(
        url.get_secret_value(),
        socket_connect_timeout=1.0,
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
        max_connections=2,
    )
    shared = SharedPerformance(redis, live)
    jobs = [Job("the sharing of live performance", SHARE_EVERY_S, shared.run_once)]
    if breakers is not None:
        told = SharedBreakers(redis, breakers, statuses=statuses)
        jobs.append(Job("the sharing of breakers", TELL_EVERY_S, told.run_once))
    return jobs
