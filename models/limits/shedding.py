"""Turns requests away before they cost anything, the least important first, as pressure rises."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from models.errors import Overloaded
from models.limits.priority import Priority

THRESHOLDS: Mapping[Priority, float] = {Priority.LOW: 0.7, Priority.NORMAL: 0.9, Priority.HIGH: 1.0}
RETRY_S: Mapping[Priority, float] = {Priority.LOW: 10.0, Priority.NORMAL: 2.0, Priority.HIGH: 1.0}


class LoopLag:
    """How late the event loop is, as a share of `bad_s`: rises at once, falls by half in each `every_s`."""

    def __init__(self, *, bad_s: float = 0.25, every_s: float = 0.05) -> None:
        self._bad_s = bad_s
        self._every_s = every_s
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.late_s = 0.0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._every_s
        self._timer = loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def pressure(self) -> float:
        return self.late_s / self._bad_s

    def _beat(self) -> None:
        self.late_s = max(asyncio.get_running_loop().time() - self._due, self.late_s / 2)
        self.start()


class Shedder:
    """`gauges` are pressures from 0 to 1 and above, such as `LoopLag.pressure`: the highest counts."""

    def __init__(
        self,
        gauges: Sequence[Callable[[], float]],
        *,
        thresholds: Mapping[Priority, float] = THRESHOLDS,
    ) -> None:
        self._gauges = gauges
        self._thresholds = thresholds

    def check(self, priority: Priority) -> None:
        """Raises Overloaded."""
        pressure = max((gauge() for gauge in self._gauges), default=0.0)
        if pressure >= self._thresholds[priority]:
            raise Overloaded(
                "The gateway is busy: come back in a moment.", retry_after_s=RETRY_S[priority], sent=False
            )
