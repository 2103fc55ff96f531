"""Which replicas of a deployment run now, as this process's request routers are told."""

from collections.abc import Callable
from typing import ClassVar


class ReplicaSet:
    """Kept by `LaneRouter`, read by `RayTransport`; both live on the caller's event loop.

    A registry by deployment name, because Serve builds the router, not us, and gives no way to it.
    """

    _by_deployment: ClassVar[dict[str, "ReplicaSet"]] = {}

    def __init__(self) -> None:
        self.ids: frozenset[str] = frozenset()
        self.listeners: list[Callable[[], None]] = []

    @classmethod
    def of(cls, deployment: str) -> "ReplicaSet":
        return cls._by_deployment.setdefault(deployment, cls())

    def update(self, ids: frozenset[str]) -> None:
        if ids != self.ids:
            self.ids = ids
            for listener in self.listeners:
                listener()
