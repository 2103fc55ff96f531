"""Spending a budget evenly: how much dearer money is than usual so that it lasts (a primal-dual pacer)."""

from msgspec import Struct
from msgspec.structs import replace

RATE = 0.05
LEAST, MOST = 0.05, 200.0


class Pacer(Struct, frozen=True, kw_only=True):
    """A budget of pico-USD for so many more requests."""

    left_pico: int
    requests_left: int
    pressure: float = 1.0
    """For `Circumstances.cost_pressure`."""

    @property
    def fair_pico(self) -> int:
        """What a request may cost on average from here on."""
        return max(0, self.left_pico) // max(1, self.requests_left)

    def allows(self, cost_pico: int) -> bool:
        """Whether a call can be afforded if every later one costs nothing."""
        return cost_pico <= self.left_pico

    def spent(self, cost_pico: int) -> "Pacer":
        """After a request. The pressure follows how far it was from its fair share, up to twice that."""
        over = cost_pico / self.fair_pico - 1.0 if self.fair_pico else 1.0
        step = 1.0 + RATE * min(1.0, max(-1.0, over))
        return replace(
            self,
            left_pico=self.left_pico - cost_pico,
            requests_left=max(0, self.requests_left - 1),
            pressure=min(MOST, max(LEAST, self.pressure * step)),
        )
