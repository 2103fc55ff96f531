"""Lanes without Ray: the double of `ServeDiscovery`."""

from collections.abc import Callable, Collection

from deployments.lane.server import Address, LaneServer
from models.errors import ReplicaLost


class LocalDiscovery:
    """Lane servers of this process as the replicas: for tests and single-process use."""

    def __init__(self, servers: dict[str, LaneServer]) -> None:
        self._servers = dict(servers)
        self._listeners: list[Callable[[], None]] = []

    def replicas(self) -> Collection[str]:
        return self._servers.keys()

    async def address(self, replica: str | None) -> Address:
        server = self._servers.get(replica or next(iter(self._servers), ""))
        if server is None:
            raise ReplicaLost("that replica is gone")
        return await server.start("127.0.0.1")

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def set(self, servers: dict[str, LaneServer]) -> None:
        """Replace the replicas that take new requests."""
        self._servers = dict(servers)
        for listener in self._listeners:
            listener()
