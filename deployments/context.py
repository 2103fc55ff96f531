"""`ContextEngine`: the conversation before a request, made to fit its model."""

from collections.abc import AsyncIterator

from deployments.lane_deployment import LaneDeployment
from deployments.settings import Args


async def optimize_context(payload: bytes) -> AsyncIterator[bytes]:
    """The request as it came: conversations are not stored yet, so there is nothing before it."""
    yield payload


class ContextEngineDeployment(LaneDeployment):
    """Holds nothing yet; scales on its own all the same."""

    def __init__(self, args: Args) -> None:
        super().__init__({"optimize_context": optimize_context}, max_in_flight=args.max_in_flight.context)
