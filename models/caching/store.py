"""Where answers are shared between replicas."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from models.caching.invalidation import Invalidation

_NO_MARKS: Mapping[str, int] = MappingProxyType({})


class Found(NamedTuple):
    value: bytes | None = None
    marks: Mapping[str, int] = _NO_MARKS
    """When what of the tenant's was invalidated, by `Invalidation.mark`."""
    at: int | None = None
    """The store's clock in µs, from before it looked; None where nobody could be asked."""


class CacheStore(Protocol):
    async def get(self, key: str, *, tenant_id: str) -> Found:
        """Raises nothing, and waits for no more than a moment."""
        ...

    async def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        """Raises nothing."""
        ...

    async def invalidate(self, what: Invalidation) -> None:
        """Raises Overloaded where it cannot be noted."""
        ...


class InMemoryCache:
    """Bounded by `max_entries`; `clock` is in seconds."""

    def __init__(self, *, max_entries: int = 1_000, clock: Callable[[], float] = time.monotonic) -> None:
        self.kept: dict[str, tuple[bytes, float]] = {}
        self._marks: dict[str, dict[str, int]] = {}
        self._at = 0
        self._max_entries = max_entries
        self._clock = clock

    async def get(self, key: str, *, tenant_id: str) -> Found:
        self._at += 1
        value, until = self.kept.get(key, (None, 0.0))
        found = value if self._clock() < until else None
        return Found(found, dict(self._marks.get(tenant_id, {})), self._at)

    async def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        if len(self.kept) >= self._max_entries:
            self.kept.pop(next(iter(self.kept)))
        self.kept[key] = (value, self._clock() + ttl_s)

    async def invalidate(self, what: Invalidation) -> None:
        self._marks.setdefault(what.tenant_id, {})[what.mark] = self._at
