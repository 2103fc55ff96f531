"""How many replicas a deployment behind lanes needs: Serve sees sockets there, not requests."""

import math
from typing import Any

from ray.serve.config import AutoscalingContext

# Serve ships this module to its controller by value: nothing here may depend on another one of ours.

IN_FLIGHT = "in_flight"
CPU = "cpu"
"""The share of a core that a replica uses."""

CPU_PER_REPLICA = 0.8
"""A replica is one event loop: it has one core at the most, and no slack at that."""


def in_flight(ctx: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Replicas so that each holds `target_ongoing_requests` of the requests that the replicas report,
    and none needs more than `CPU_PER_REPLICA`: a held stream costs memory, a busy one a core.

    Serve applies the delays, factors and bounds of the deployment's `autoscaling_config` to it. Without
    any report, after a controller's restart for one, the number stays as it is.
    """
    reported = ctx.aggregated_metrics or {}
    held = reported.get(IN_FLIGHT) or {}
    if not held or ctx.config is None:
        return ctx.target_num_replicas, {}
    by_requests = sum(held.values()) / ctx.config.get_target_ongoing_requests()
    by_cpu = sum((reported.get(CPU) or {}).values()) / CPU_PER_REPLICA
    return max(1, math.ceil(by_requests), math.ceil(by_cpu)), {}
