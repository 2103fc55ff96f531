"""What is asked of the router, as JSON: by a header for one request, by a route for tenants and keys."""

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from deployments.api.exchange import Exchange
from deployments.api.management.fields import In, Usd
from models.catalog import Capability
from models.errors import InvalidRequest
from models.money import pico, usd_text
from models.routing.constraints import Constraints, Region
from models.routing.explore import MAX_SHARE
from models.routing.policies import RoutingPolicy
from models.routing.weights import Weights

HEADER = b"x-polyvox-routing"
_MAX_BYTES = 8 * 1024

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:/@-]{1,128}$")]
Ids = Annotated[frozenset[Id], Field(max_length=200)]
Weight = Annotated[float, Field(ge=0, le=1_000)]


class WeightFields(In):
    """Multiples of what `auto:balanced` gives to each."""

    quality: Weight = 1.0
    cost: Weight = 1.0
    latency: Weight = 1.0


class ConstraintFields(In):
    """What must hold, whatever a model is worth."""

    models: Ids | None = None
    providers: Ids | None = None
    denied_models: Ids = frozenset()
    max_cost_usd: Annotated[Usd | None, Field(description="Of what the call is expected to cost.")] = None
    regions: frozenset[Region] | None = None
    capabilities: frozenset[Capability] = frozenset()
    no_training: Annotated[
        bool, Field(description="Only providers that do not train on what they are sent.")
    ] = False
    max_retention_days: Annotated[int, Field(ge=0, le=3_650)] | None = None


class PolicyFields(In):
    weights: Annotated[WeightFields | None, Field(description="In place of those of a mode.")] = None
    constraints: ConstraintFields = ConstraintFields()
    exploration: Annotated[
        float,
        Field(ge=0, le=MAX_SHARE, description="Share of requests that may try another model than the best."),
    ] = MAX_SHARE

    def policy(self) -> RoutingPolicy:
        of = self.constraints
        return RoutingPolicy(
            weights=None if self.weights is None else Weights(**self.weights.model_dump()),
            constraints=Constraints(
                models=of.models,
                hosts=of.providers,
                denied_models=of.denied_models,
                max_cost_pico=None if of.max_cost_usd is None else pico(of.max_cost_usd),
                regions=of.regions,
                capabilities=of.capabilities,
                no_training=of.no_training,
                max_retention_days=of.max_retention_days,
            ),
            exploration=self.exploration,
        )


def fields_of(policy: RoutingPolicy) -> PolicyFields:
    of, weights = policy.constraints, policy.weights
    return PolicyFields(
        weights=None
        if weights is None
        else WeightFields(quality=weights.quality, cost=weights.cost, latency=weights.latency),
        constraints=ConstraintFields(
            models=of.models,
            providers=of.hosts,
            denied_models=of.denied_models,
            max_cost_usd=None if of.max_cost_pico is None else usd_text(of.max_cost_pico),
            regions=of.regions,
            capabilities=of.capabilities,
            no_training=of.no_training,
            max_retention_days=of.max_retention_days,
        ),
        exploration=policy.exploration,
    )


def routing_of(exchange: Exchange) -> RoutingPolicy:
    """What the request's own header asks for. Raises InvalidRequest."""
    said = exchange.headers.get(HEADER)
    if said is None:
        return RoutingPolicy()
    if len(said) > _MAX_BYTES:
        raise InvalidRequest(f"the policy is longer than {_MAX_BYTES} bytes", param=HEADER.decode())
    try:
        return PolicyFields.model_validate_json(said).policy()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the policy"
        raise InvalidRequest(f"{where}: {first['msg']}", param=HEADER.decode()) from None
