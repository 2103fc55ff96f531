"""Where the replicas of a deployment are, asked of Ray Serve."""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from grpc.aio import AioRpcError
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.lane.replicas import ReplicaSet
from deployments.lane.server import Address
from models.errors import ReplicaLost

_UNREACHABLE = (RayError, RayServeException, AioRpcError, ConnectionError)


class ServeDiscovery:
    """Over the handle of a deployment that uses `LaneRouter` and has a `lane_address` method.

    With `RAY_SERVE_THROUGHPUT_OPTIMIZED=1` a handle's router runs on the caller's own event loop,
    which is what makes `ReplicaSet` safe to read.
    """

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._deployment = handle.deployment_name
        self._replicas = ReplicaSet.of(handle.deployment_name)
        self._address = handle.options(method_name="lane_address")  # built once: a handle is not cheap

    def replicas(self) -> Collection[str]:
        return self._replicas.ids

    async def address(self, replica: str | None) -> Address:
        try:
            return msgspec.msgpack.decode(await self._address.remote(replica=replica), type=Address)
        except _UNREACHABLE as error:
            raise ReplicaLost(f"no replica of {self._deployment} can be reached") from error

    def on_change(self, listener: Callable[[], None]) -> None:
        self._replicas.listeners.append(listener)
