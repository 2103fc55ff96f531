"""How much load a run makes, and for how long."""

from dataclasses import dataclass
from typing import Literal

Section = Literal["unary", "cpu", "auto", "latency", "streams", "held"]
SECTIONS: tuple[Section, ...] = ("unary", "cpu", "auto", "latency", "streams", "held")


@dataclass(frozen=True, kw_only=True)
class Scale:
    warm_s: float
    idle_s: float
    unary_s: float
    connections: int = 32
    level: int
    """Paced streams at once."""
    stream_s: float
    rate: float = 50.0
    """Chunks a second of a paced stream."""
    held: int
    held_spread_s: float
    held_tokens: int
    held_interval_s: float

    @property
    def ladder(self) -> tuple[int, ...]:
        """The levels at which a peer is tried, lowest first."""
        return tuple(level for level in (16, 32, 64, 128, 256) if level <= self.level)


FULL = Scale(
    warm_s=4,
    idle_s=4,
    unary_s=10,
    level=256,
    stream_s=10,
    held=7_000,
    held_spread_s=20,
    held_tokens=22,
    held_interval_s=2,
)
QUICK = Scale(
    warm_s=1,
    idle_s=1,
    unary_s=2,
    level=32,
    stream_s=3,
    held=200,
    held_spread_s=1,
    held_tokens=4,
    held_interval_s=1,
)
