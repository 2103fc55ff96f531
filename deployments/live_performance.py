"""How replicas tell each other how models do."""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from deployments.housekeeping import Job
from deployments.settings import Environment
from models.routing.performance import LivePerformance
from models.routing.shared_performance import SharedPerformance

SHARE_EVERY_S = 2.0


def sharing(environment: Environment, live: LivePerformance) -> Sequence[Job]:
    """The job that does it; none without Redis: each replica knows its own calls then."""
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
    return (Job("the sharing of live performance", SHARE_EVERY_S, shared.run_once),)
