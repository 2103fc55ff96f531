"""`Router`: which model answers, for requests that leave it open."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from deployments.lane_deployment import LaneDeployment
from deployments.settings import Args, available_models
from models.catalog import Catalog, Mode
from models.chat import ChatRequest
from models.routing import estimate_input_tokens, plan

_question = msgspec.msgpack.Decoder(tuple[ChatRequest, Mode])


class RuleRouter:
    """The stated rule: the cheapest model of the mode's tier that is available and fits."""

    def __init__(self, catalog: Catalog, available: frozenset[str]) -> None:
        self._catalog = catalog
        self._available = available

    async def plan(self, payload: bytes) -> AsyncIterator[bytes]:
        request, mode = _question.decode(payload)
        decision = plan(
            request,
            mode=mode,
            catalog=self._catalog,
            available=self._available,
            estimated_input_tokens=estimate_input_tokens(request),
            when=datetime.now(UTC),
        )
        yield msgspec.msgpack.encode(decision)


class RouterDeployment(LaneDeployment):
    """Holds the routing policy."""

    def __init__(self, args: Args) -> None:
        catalog = args.load_catalog()
        router = RuleRouter(catalog, available_models(catalog))
        super().__init__({"plan": router.plan}, max_in_flight=args.max_in_flight.router)
