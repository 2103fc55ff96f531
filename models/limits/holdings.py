"""What a replica has of a limit to give out: units of a rate, or places for concurrent requests.

Nothing here waits: an admission looks whether everything `fits` and spends it in one go.
"""

import math
from typing import Protocol

from models.limits.counters import Ask, Grant, Hold
from models.limits.limit import Limit, Rate

LEASE_S = 1.0
"""What was taken and not used so long goes back; no more is taken than comes back in that time."""
REFUSED_S = 0.25
"""So long a refusal is repeated without asking again, at most: somebody may have returned something."""
PLACES_S = 10.0
"""A replica that has not been heard of for so long has lost its places."""
_LEAST_S = 0.05
_TOP_UP_AT = 0.25


class Holding(Protocol):
    """Times are seconds of one clock that does not go back."""

    limit: Limit
    key: str

    def fits(self, amount: int, now: float, /) -> bool: ...

    def refused_s(self, amount: int, now: float, /) -> float | None:
        """How long to wait before asking again, if it is known to be in vain now."""
        ...

    def spend(self, amount: int, now: float, /) -> float:
        """Returns what `correct` wants to know of it."""
        ...

    def correct(self, taken: int, used: int, spent_at: float, now: float, /) -> None:
        """So much was taken for it, and it used so much."""
        ...

    def release(self, amount: int, /) -> None:
        """A request is over."""
        ...

    def ask(self, least: int, waiting: int, now: float, /) -> Ask | Hold:
        """`waiting` is what requests wait for in all, `least` the smallest of them."""
        ...

    def granted(self, grant: Grant, least: int, asked_at: float, /) -> None: ...

    def is_pressing(self, now: float, /) -> bool:
        """Whether to ask the counters at once, though nobody waits."""
        ...

    def is_due(self, now: float, /) -> bool:
        """Whether to ask them when it comes round."""
        ...

    def is_idle(self, now: float, /) -> bool:
        """Whether nothing is lost by forgetting it."""
        ...

    def rate(self, now: float, /) -> Rate: ...


class Lease:
    """Units of a rate, taken in advance.

    `spend` tells when the unit is back in the bucket as the shared counter sees it: one that is back by
    itself is not returned once more.
    """

    __slots__ = (
        "_asked_at",
        "_chunk",
        "_credit",
        "_known",
        "_refused_amount",
        "_refused_until",
        "_retry_at",
        "_tat",
        "_until",
        "_used",
        "interval_s",
        "key",
        "left",
        "limit",
    )

    def __init__(self, limit: Limit, key: str) -> None:
        self.limit = limit
        self.key = key
        self.interval_s = limit.interval_us / 1e6
        self.left = 0
        self._until = 0.0
        self._tat = 0.0
        self._credit = 0
        self._known: int | None = None
        self._asked_at = 0.0
        self._used = 0
        self._chunk = 0
        self._refused_amount = 0
        self._refused_until = 0.0
        self._retry_at = 0.0

    def fits(self, amount: int, now: float) -> bool:
        if now >= self._until:
            self._expire(now)
        return self.left >= amount

    def refused_s(self, amount: int, now: float) -> float | None:
        if amount < self._refused_amount or now >= self._refused_until:
            return None
        return max(_LEAST_S, self._retry_at - now)

    def spend(self, amount: int, _now: float) -> float:
        self._used += amount
        at = self._tat - (self.left - amount) * self.interval_s
        self.left -= amount
        return at

    def correct(self, taken: int, used: int, spent_at: float, now: float) -> None:
        more = used - taken
        if more > 0:
            paid = min(self.left, more)
            self.left -= paid
            self._credit -= more - paid
        else:
            self._credit += max(0, min(-more, math.floor((spent_at - now) / self.interval_s)))
        self._used = max(0, self._used + more)

    def release(self, _amount: int) -> None: ...

    def is_pressing(self, now: float) -> bool:
        """Whether it will soon be empty: then nobody has to wait for the next one."""
        return self._chunk > 1 and self.left < self._chunk * _TOP_UP_AT and now >= self._refused_until

    def ask(self, least: int, waiting: int, now: float) -> Ask:
        if now >= self._until:
            self._expire(now)
        credit, self._credit = self._credit, 0
        return Ask(
            key=self.key,
            interval_us=self.interval_s * 1e6,
            burst=self.limit.burst,
            credit=credit,
            need=max(0, least - self.left),
            sure=max(0, waiting - self.left),
            want=max(0, self._wanted(now) - self.left),
            known=None if self._known is None else self._left_there(now),
        )

    def granted(self, grant: Grant, least: int, asked_at: float) -> None:
        self._known, self._asked_at, self._used = grant.remaining, asked_at, 0
        if grant.retry_us > 0:
            self._retry_at = asked_at + grant.retry_us / 1e6
            self._refused_amount = least
            self._refused_until = min(self._retry_at, asked_at + REFUSED_S)
        elif grant.granted:
            self.left += grant.granted
            self._chunk = self.left
            self._tat = asked_at + grant.ahead_us / 1e6
            self._until = asked_at + LEASE_S
            self._refused_until = 0.0

    def is_due(self, now: float) -> bool:
        if now >= self._until:
            self._expire(now)
        return self._credit != 0

    def is_idle(self, now: float) -> bool:
        return not self._credit and now >= self._until + LEASE_S

    def rate(self, now: float) -> Rate:
        burst = self.limit.burst
        remaining = burst if self._known is None else min(burst, self._left_there(now) + max(0, self.left))
        return Rate(self.limit.measure, self.limit.amount, remaining, (burst - remaining) * self.interval_s)

    def _left_there(self, now: float) -> int:
        assert self._known is not None
        return min(self.limit.burst, self._known + int((now - self._asked_at) / self.interval_s))

    def _wanted(self, now: float) -> int:
        """What will be asked for within a lease, if it goes on like this."""
        ran_s = max(_LEAST_S, now - self._asked_at)
        return int(min(self._used / ran_s, 1 / self.interval_s) * LEASE_S)

    def _expire(self, now: float) -> None:
        if self.left > 0:
            self._credit += max(0, min(self.left, math.floor((self._tat - now) / self.interval_s)))
            self.left = 0


class Places:
    """Places for concurrent requests. A few are kept while there are plenty."""

    __slots__ = (
        "_asked_at",
        "_free",
        "_held",
        "_peak",
        "_refused_until",
        "in_use",
        "key",
        "limit",
    )

    def __init__(self, limit: Limit, key: str) -> None:
        self.limit = limit
        self.key = key
        self.in_use = 0
        self._held = 0
        self._free: int | None = None
        self._peak = 0
        self._asked_at = -PLACES_S
        self._refused_until = 0.0

    def fits(self, amount: int, now: float) -> bool:
        return self.in_use + amount <= self._held and now < self._asked_at + PLACES_S

    def refused_s(self, _amount: int, now: float) -> float | None:
        return None if now >= self._refused_until else 1.0

    def spend(self, amount: int, now: float) -> float:
        self.in_use += amount
        self._peak = max(self._peak, self.in_use)
        return now

    def correct(self, _taken: int, _used: int, _spent_at: float, _now: float) -> None: ...

    def release(self, amount: int) -> None:
        self.in_use -= amount

    def is_pressing(self, _now: float) -> bool:
        return self._held > self.in_use + self._spare()

    def ask(self, _least: int, waiting: int, _now: float) -> Hold:
        self._peak = max(self.in_use + waiting, self._peak // 2)
        # Until there is an answer no more than is kept for sure can be given out.
        self._held = max(self.in_use, min(self._held, self.in_use + self._spare()))
        return Hold(
            key=self.key,
            most=self.limit.amount,
            kept=self._held,
            sure=self.in_use + waiting,
            want=self.in_use + waiting + self._spare(),
        )

    def granted(self, grant: Grant, least: int, asked_at: float) -> None:
        self._held, self._free, self._asked_at = grant.granted, grant.remaining, asked_at
        if least > self._held - self.in_use:
            self._refused_until = asked_at + _LEAST_S

    def is_due(self, now: float) -> bool:
        """Places that are held have to be told of time and again."""
        return self._held > 0 and now >= self._asked_at + PLACES_S / 4

    def is_idle(self, _now: float) -> bool:
        return not self.in_use and not self._held

    def rate(self, _now: float) -> Rate:
        free = self.limit.amount - self.in_use if self._free is None else self._free
        return Rate("concurrent", self.limit.amount, free + max(0, self._held - self.in_use), 0.0)

    def _spare(self) -> int:
        """None once half of all are taken: somebody else may need them."""
        if self._free is None or self._free < self.limit.amount // 2:
            return 0
        return min(max(0, self._peak - self.in_use), self.limit.amount // 8)


def holding(limit: Limit, key: str) -> Holding:
    return Places(limit, key) if limit.measure == "concurrent" else Lease(limit, key)
