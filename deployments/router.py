"""`Router`: which model answers, for requests that leave it open."""

from collections.abc import AsyncIterator

import msgspec

from deployments.catalogue import following, live_catalogue
from deployments.lane_deployment import LaneDeployment
from deployments.settings import Args, Environment, available_models
from models.catalog import Mode
from models.chat import ChatRequest
from models.ports import Router
from models.routing.router import RuleRouter

_question = msgspec.msgpack.Decoder(tuple[ChatRequest, Mode])


class RouterCalls:
    def __init__(self, router: Router) -> None:
        self._router = router

    async def plan(self, payload: bytes) -> AsyncIterator[bytes]:
        """`(ChatRequest, Mode)` in, a `Plan` out."""
        yield msgspec.msgpack.encode(await self._router.plan(*_question.decode(payload)))


class RouterDeployment(LaneDeployment):
    """Holds the routing policy."""

    def __init__(self, args: Args) -> None:
        live = live_catalogue(args, Environment())
        self._router = RuleRouter(live.current, available_models(live.current))
        calls = RouterCalls(self._router)
        super().__init__(
            {"plan": calls.plan},
            max_in_flight=args.max_in_flight.router,
            jobs=[following(live, lambda catalog: self._router.use(catalog, available_models(catalog)))],
        )
