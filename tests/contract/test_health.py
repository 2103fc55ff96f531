"""How a host is, asked through a lane by a question that costs nothing."""

import pytest

from deployments.clients import ProviderLanes
from deployments.lane.client import Lane
from deployments.lane.local import LocalDiscovery
from deployments.lane.server import LaneServer
from deployments.provider import ProviderCalls
from models.catalog import load_catalog
from models.errors import ProviderAuthFailed
from models.providers.adapter import ProviderAdapter
from models.providers.clients import preload
from tests.contract.samples import Sample
from tests.contract.scripted import Answer, HangUp, Script, ScriptedProvider

PROTOCOLS = ("openai", "anthropic", "google")


@pytest.mark.parametrize(
    ("script", "status"),
    [(None, "healthy"), (Answer(429), "degraded"), (Answer(500), "unavailable"), (HangUp(), "unavailable")],
)
async def test_health_comes_through_a_lane(
    provider: ScriptedProvider, adapter: ProviderAdapter, sample: Sample, script: Script | None, status: str
) -> None:
    preload(sample.protocol)  # which takes longer than a lane waits
    provider.script = script or Answer(body=sample.model_list)
    calls = ProviderCalls({"openai": adapter})
    server = LaneServer({"check_health": calls.check_health}, replica="r", max_in_flight=10)
    lane = Lane(LocalDiscovery({"r": server}), name="providers", retries=0)
    lanes = ProviderLanes(load_catalog(), dict.fromkeys(PROTOCOLS, lane))
    try:
        assert await lanes.check_health("openai") == status
        assert {request.method for request in provider.requests} == {"GET"}
        with pytest.raises(ProviderAuthFailed):
            await lanes.check_health("anthropic")
    finally:
        lane.close()
        await server.stop()
