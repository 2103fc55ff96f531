"""What every deployment behind a lane has in common: its lane server and what Serve asks of it."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec
import ray
from ray import serve

from deployments.housekeeping import Housekeeping, Job
from deployments.lane.server import Handler, LaneServer
from deployments.process import CpuMeter, collect_garbage_rarely

_MAX_LAG_S = 2.0


class LaneDeployment:
    """Base of shims. A subclass builds a plain object in its constructor and hands its methods over."""

    def __init__(
        self, handlers: Mapping[str, Handler], *, max_in_flight: int, jobs: Sequence[Job] = ()
    ) -> None:
        self._host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        replica = serve.get_replica_context().replica_id.unique_id
        collect_garbage_rarely()
        self._cpu = CpuMeter()
        self._housekeeping = Housekeeping(jobs)
        self._lane = LaneServer(handlers, replica=replica, max_in_flight=max_in_flight)

    async def lane_address(self, replica: str | None = None) -> bytes:
        del replica  # for `LaneRouter`, which has done its work by now
        return msgspec.msgpack.encode(await self._lane.start(self._host))

    def record_autoscaling_stats(self) -> dict[str, float]:
        return {"in_flight": float(self._lane.in_flight), "cpu": self._cpu.share()}

    async def check_health(self) -> None:
        """A loop that lags by seconds is as good as dead; a sick provider or database is not our death.

        Asked often, and first when there is an event loop to run jobs on.
        """
        self._housekeeping.start()
        began = time.monotonic()
        await asyncio.sleep(0)
        if time.monotonic() - began > _MAX_LAG_S:
            raise RuntimeError("the event loop lags")

    async def __del__(self) -> None:
        """Serve awaits this on scale-down and redeploy: what is under way is finished first."""
        await self._lane.drain()
        await self._housekeeping.stop()
        await self._lane.stop()
