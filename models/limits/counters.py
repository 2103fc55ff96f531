"""What replicas share: one counter per limit and owner, from which they take what they then give out.

A counter of a rate is the arrival time of GCRA (the generic cell rate algorithm): when the bucket will be
full again, in µs. `InMemoryCounters` is the rule that the ones in Redis follow, and is in their place while
they are away.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

_TOLERANCE = 1e-3
"""Of a unit: what rounding may make of a sum."""
_FAIR_PART = 4
"""Of what is left nobody takes more than this part for later."""


class Ask(Struct, frozen=True, kw_only=True):
    """Of a rate. What is returned counts first; then at least `need` is granted or nothing."""

    key: str
    interval_us: float
    burst: int
    credit: int = 0
    """Taken before and not used; negative: used and not taken."""
    need: int = 0
    sure: int = 0
    """What requests wait for, in all."""
    want: int = 0
    """What will probably be asked for next."""
    known: int | None = None
    """What was left when it was last asked, if that is known."""


class Hold(Struct, frozen=True, kw_only=True):
    """Of places for concurrent requests: this replica holds what is granted in place of what it held."""

    key: str
    most: int
    kept: int
    """These it goes on holding, whatever the others hold: requests may take them while it asks."""
    sure: int
    want: int


class Grant(Struct, frozen=True):
    granted: int
    """Of places: all that are held now."""
    remaining: int
    """What is left beside it."""
    ahead_us: float = 0.0
    """How far the arrival time lies ahead."""
    retry_us: float = 0.0
    """If `need` could not be met: when it can, if nobody else takes any."""


class CountersAway(Exception):
    """They could not be asked, or did not answer in time: what was asked for may have been taken."""


class Counters(Protocol):
    async def exchange(self, asks: Sequence[Ask | Hold]) -> Sequence[Grant]:
        """One grant for each ask. Raises CountersAway."""
        ...


def take(tat_us: float, now_us: float, ask: Ask) -> tuple[float, Grant]:
    """The counter's new state, and the grant. A debt is forgotten beyond a second burst."""
    window_us = ask.burst * ask.interval_us
    tat_us = max(tat_us - ask.credit * ask.interval_us, now_us)
    tat_us = min(tat_us, now_us + 2 * window_us)
    left = max(0, math.floor((window_us - (tat_us - now_us)) / ask.interval_us + _TOLERANCE))
    if left < ask.need:
        ahead_us = tat_us - now_us
        return tat_us, Grant(0, left, ahead_us, ahead_us - window_us + ask.need * ask.interval_us)
    granted = min(left, max(ask.sure, ask.need, min(ask.want, left // _FAIR_PART)))
    tat_us += granted * ask.interval_us
    return tat_us, Grant(granted, left - granted, tat_us - now_us)


def hold(others: int, ask: Hold) -> Grant:
    """`others` is what other replicas hold."""
    free = ask.most - others - ask.kept
    extra = max(ask.sure - ask.kept, min(ask.want - ask.kept, free // _FAIR_PART))
    held = ask.kept + max(0, min(free, extra))
    return Grant(held, max(0, ask.most - others - held))


class InMemoryCounters:
    """Exact for all that ask it; the replicas of a test, or the one that is on its own.

    `clock_us` is any clock that does not go back.
    """

    def __init__(self, *, clock_us: Callable[[], float] = lambda: time.monotonic() * 1e6) -> None:
        self.clock_us = clock_us
        self.arrivals: dict[str, float] = {}
        self.holdings: dict[str, dict[str, int]] = {}

    def take(self, ask: Ask, *, fresh: float = 0.0) -> Grant:
        """`fresh` is how far ahead the arrival time of a counter is that nobody has asked for yet."""
        now_us = self.clock_us()
        self.arrivals[ask.key], grant = take(self.arrivals.get(ask.key, now_us + fresh), now_us, ask)
        return grant

    def hold(self, ask: Hold, *, replica: str) -> Grant:
        held = self.holdings.setdefault(ask.key, {})
        grant = hold(sum(n for name, n in held.items() if name != replica), ask)
        held[replica] = grant.granted
        return grant

    def prune(self) -> None:
        """Forget the full ones."""
        now_us = self.clock_us()
        self.arrivals = {key: tat for key, tat in self.arrivals.items() if tat > now_us}

    def of(self, replica: str) -> "InMemoryReplica":
        return InMemoryReplica(self, replica)


class InMemoryReplica:
    """How one replica sees them; `away` makes it raise."""

    def __init__(self, counters: InMemoryCounters, replica: str) -> None:
        self._counters = counters
        self._replica = replica
        self.away = False
        self.exchanges = 0

    async def exchange(self, asks: Sequence[Ask | Hold]) -> Sequence[Grant]:
        self.exchanges += 1
        if self.away:
            raise CountersAway
        return [
            self._counters.take(ask)
            if isinstance(ask, Ask)
            else self._counters.hold(ask, replica=self._replica)
            for ask in asks
        ]
