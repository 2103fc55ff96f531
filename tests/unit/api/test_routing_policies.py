"""What is asked of the router: by a header for one request, by a route for tenants and keys."""

from typing import Any

import pytest

from deployments.api.management import model_status, routing_policies
from deployments.api.management.app import create_management
from deployments.api.routing_policy import PolicyFields, fields_of
from models.identity import KeyRing, Principal
from models.identity.memory import InMemoryKeyStore
from models.routing.constraints import Constraints
from models.routing.performance import LivePerformance, Sample
from models.routing.policies import RoutingPolicy
from models.routing.weights import Weights
from tests.asgi import Client
from tests.unit.api.management import As

FIELDS: dict[str, Any] = {
    "weights": {"quality": 1.0, "cost": 3.0, "latency": 0.5},
    "constraints": {
        "models": ["gpt-6-sol"],
        "providers": ["openai"],
        "denied_models": ["x"],
        "max_cost_usd": "0.01",
        "regions": ["eu"],
        "capabilities": ["vision"],
        "no_training": True,
        "max_retention_days": 30,
    },
    "exploration": 0.02,
}
POLICY = RoutingPolicy(
    weights=Weights(quality=1, cost=3, latency=0.5),
    constraints=Constraints(
        models=frozenset({"gpt-6-sol"}),
        hosts=frozenset({"openai"}),
        denied_models=frozenset({"x"}),
        max_cost_pico=10**10,
        regions=frozenset({"eu"}),
        capabilities=frozenset({"vision"}),
        no_training=True,
        max_retention_days=30,
    ),
    exploration=0.02,
)


class Policies:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str | None], RoutingPolicy] = {}

    async def all(self, tenant_id: str) -> dict[str | None, RoutingPolicy]:
        return {key: policy for (tenant, key), policy in self.kept.items() if tenant == tenant_id}

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        found = await self.all(tenant_id)
        return found.get(key_id, RoutingPolicy()).within(found.get(None, RoutingPolicy()))

    async def keep(self, tenant_id: str, policy: RoutingPolicy, *, key_id: str | None = None) -> None:
        self.kept[tenant_id, key_id] = policy


class Surface:
    def __init__(self) -> None:
        self.policies, self.keys = Policies(), InMemoryKeyStore()
        self.live = LivePerformance(lambda: 1_000.0)
        self.app = create_management(
            [
                routing_policies.router(self.policies, self.keys),
                model_status.router(lambda: [self.live.check_model_availability("m")]),
            ]
        )

    async def key_of(self, tenant: str) -> Principal:
        issued = await KeyRing(self.keys, b"pepper").create_key("root", tenant=tenant, roles=("admin",))
        record = issued.record
        return Principal(record.id, record.user_id, record.tenant_id, frozenset(record.roles))

    def client(self, who: Principal) -> Client:
        return Client(As(self.app, who))


def test_a_policy_reads_as_it_was_written() -> None:
    assert PolicyFields.model_validate(FIELDS).policy() == POLICY
    assert fields_of(POLICY).model_dump(mode="json") == FIELDS
    assert PolicyFields().policy() == RoutingPolicy()


async def test_administrators_set_policies_of_their_tenant_and_its_keys() -> None:
    surface = Surface()
    root, stranger = await surface.key_of("acme"), await surface.key_of("other")
    client = surface.client(root)
    assert (await client.request("PUT", "/v1/routing/policies", body=FIELDS)).status == 200
    narrower = {"constraints": {"max_cost_usd": "0.005"}}
    answer = await client.request("PUT", f"/v1/routing/policies/keys/{root.key_id}", body=narrower)
    assert answer.status == 200
    listed = (await client.request("GET", "/v1/routing/policies")).json()["data"]
    assert [one["key_id"] for one in listed] == [None, root.key_id]
    mine = (await client.request("GET", "/v1/routing/policies/mine")).json()["policy"]
    assert (mine["constraints"]["max_cost_usd"], mine["constraints"]["no_training"]) == ("0.005", True)
    other = await surface.client(stranger).request(
        "PUT", f"/v1/routing/policies/keys/{root.key_id}", body=narrower
    )
    assert other.status == 404
    assert (await surface.client(stranger).request("GET", "/v1/routing/policies")).json()["data"] == []


async def test_only_administrators_do() -> None:
    client = Surface().client(Principal("k", "ann", "acme"))
    assert (await client.request("PUT", "/v1/routing/policies", body=FIELDS)).status == 403
    assert (await client.request("GET", "/v1/routing/policies")).status == 403
    assert (await client.request("GET", "/v1/routing/policies/mine")).status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": {"cost": -1}},
        {"constraints": {"max_cost_usd": "1e3"}},
        {"constraints": {"regions": ["mars"]}},
        {"exploration": 0.9},
        {"unknown": 1},
    ],
)
async def test_what_no_policy_can_hold_is_refused(wrong: dict[str, Any]) -> None:
    surface = Surface()
    client = surface.client(await surface.key_of("acme"))
    assert (await client.request("PUT", "/v1/routing/policies", body=wrong)).status in (400, 422)
    assert surface.policies.kept == {}


async def test_anybody_may_ask_how_models_do() -> None:
    surface = Surface()
    surface.live.record(Sample(model_id="m", ending="busy", retry_after_s=30))
    answer = await surface.client(Principal("k", "ann", "acme")).request("GET", "/api/models/status")
    [status] = answer.json()["data"]
    assert (status["modelId"], status["state"], status["blockedForS"]) == ("m", "unavailable", 30)
