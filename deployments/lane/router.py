"""Serve's request router for the callees of lanes.

Serve ships this module to replicas by value, so it must hold no state of its own: `ReplicaSet`,
which is imported by name there, holds it.
"""

import random

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from deployments.lane.replicas import ReplicaSet


class LaneRouter(RequestRouter):
    """The caller names the replica: the lane balances, as it alone knows how many requests a frame holds.

    A replica that is gone is replaced by any other, which refuses the frame by its address.
    """

    @property
    def supports_rejection_protocol(self) -> bool:
        return False  # lane servers refuse single requests, never a frame

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        wanted = pending_request.kwargs.get("replica") if pending_request else None
        for replica in candidate_replicas:
            if replica.replica_id.unique_id == wanted:
                return [[replica]]
        return [[random.choice(candidate_replicas)]]  # noqa: S311 - spreads load

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        super().update_replicas(replicas)
        self._tell()

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        super().on_replica_actor_died(replica_id)
        self._tell()

    def _tell(self) -> None:
        running = frozenset(id.unique_id for id in self.curr_replicas)
        ReplicaSet.of(self._deployment_id.name).update(running)
