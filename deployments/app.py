"""The only composition root: which deployments there are, and who calls whom.

Deployment options (replicas, autoscaling, resources) are in `serve_config.yaml`, by these names.
"""

from typing import Any, get_args

from ray import serve
from ray.serve import Application, Deployment
from ray.serve.config import RequestRouterConfig

from deployments.batches import BatchRunnerDeployment
from deployments.context import ContextEngineDeployment
from deployments.ingress import GatewayDeployment
from deployments.lane.router import LaneRouter
from deployments.lane_deployment import LaneDeployment
from deployments.ledger import CostLedgerDeployment
from deployments.provider import ProviderDeployment
from deployments.router import RouterDeployment
from deployments.settings import Args
from models.catalog.model import Protocol


def build(args: dict[str, Any]) -> Application:
    """`args` are those of `serve_config.yaml`; a wrong one is refused by name."""
    checked = Args.model_validate(args)
    providers = {
        protocol: _behind_lane(ProviderDeployment, f"Provider-{protocol}").bind(protocol, checked)
        for protocol in get_args(Protocol)
    }
    behind = {
        "providers": providers,
        "router": _behind_lane(RouterDeployment, "Router").bind(checked),
        "context": _behind_lane(ContextEngineDeployment, "ContextEngine").bind(checked),
        "ledger": _behind_lane(CostLedgerDeployment, "CostLedger").bind(checked),
    }
    batches = serve.deployment(name="BatchRunner")(BatchRunnerDeployment).bind(checked, **behind)
    gateway: Deployment = serve.deployment(name="Gateway")(serve.ingress()(GatewayDeployment))
    return gateway.bind(checked, **behind, batches=batches)


def _behind_lane(shim: type[LaneDeployment], name: str) -> Deployment:
    config = RequestRouterConfig(request_router_class=LaneRouter)  # type: ignore[arg-type]
    return serve.deployment(name=name, request_router_config=config)(shim)
