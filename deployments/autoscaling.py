"""How many replicas a deployment behind lanes needs: Serve sees sockets there, not requests."""

import math
from typing import Any

from ray.serve.config import AutoscalingContext

# Serve ships this module to its controller by value: nothing here may depend on another one of ours.

IN_FLIGHT = "in_flight"


def in_flight(ctx: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Replicas so that each holds `target_ongoing_requests` of the requests that the replicas report.

    Serve applies the delays, factors and bounds of the deployment's `autoscaling_config` to it. Without
    any report, after a controller's restart for one, the number stays as it is.
    """
    reported = (ctx.aggregated_metrics or {}).get(IN_FLIGHT) or {}
    if not reported or ctx.config is None:
        return ctx.target_num_replicas, {}
    target = ctx.config.get_target_ongoing_requests()
    return max(1, math.ceil(sum(reported.values()) / target)), {}
