"""The answers that this process has given a moment ago."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from models.caching.invalidation import Invalidation
from models.caching.kept import Cached
from models.caching.key import Owner

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 20_000
TTL_S = 10.0
"""So late may an invalidation be that could not be told."""


class _Entry(NamedTuple):
    owner: Owner
    cached: Cached
    size: int
    until: float


class LocalAnswers:
    """Bounded in bytes and time; the least recently given go first. `clock` is in seconds."""

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.generation = 0
        """Another one after each invalidation: what was asked for before is not taken any more."""
        self.bytes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock

    def get(self, key: str, owner: Owner) -> Cached | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock() or entry.owner != owner:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.cached

    def put(self, key: str, owner: Owner, cached: Cached, *, size: int, generation: int) -> None:
        """`size` in bytes; `generation` is that of the time when it was asked for."""
        if generation != self.generation or size > self._max_bytes:
            return
        self._drop(key)
        self._entries[key] = _Entry(owner, cached, size, self._clock() + self._ttl_s)
        self.bytes += size
        while self.bytes > self._max_bytes or len(self._entries) > MAX_ENTRIES:
            self._drop(next(iter(self._entries)))

    def invalidate(self, what: Invalidation) -> None:
        self.generation += 1
        for key, entry in list(self._entries.items()):
            if what.is_of(*entry.owner, entry.cached.model_id):
                self._drop(key)

    def clear(self) -> None:
        """Something may have been invalidated that nobody told of."""
        self.generation += 1
        self._entries.clear()
        self.bytes = 0

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
