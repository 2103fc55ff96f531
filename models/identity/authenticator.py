"""From a presented API key to a principal, almost always without I/O.

What was found out is kept for a few seconds under a digest of the key. Keys that proved wrong are kept apart,
so that guessing cannot push out the keys in use. Where the store is away nobody is let in.
"""

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from models.errors import Overloaded, Unauthenticated
from models.identity.keys import key_id_of, mac_of, same_mac
from models.identity.principal import Principal
from models.identity.store import KeyRecord, KeyStore

V = TypeVar("V")

_REFUSED = "The API key is missing, unknown, expired or revoked."
_BUSY = "Too many API keys are being looked up."


class Authenticator:
    """`ttl_s`: how long a revoked key may live on. `wrong_ttl_s`: how long a key used too early may wait."""

    def __init__(
        self,
        store: KeyStore,
        pepper: bytes,
        *,
        ttl_s: float = 5.0,
        wrong_ttl_s: float = 1.0,
        max_entries: int = 10_000,
        max_pending: int = 500,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._pepper = pepper
        self._ttl_s = ttl_s
        self._wrong_ttl_s = wrong_ttl_s
        self._max_entries = max_entries
        self._max_pending = max_pending
        self._clock = clock
        self._now = now
        self._good: dict[bytes, tuple[float, Principal]] = {}
        self._wrong: dict[bytes, float] = {}
        self._pending: dict[bytes, asyncio.Task[Principal]] = {}

    def cached(self, key: str) -> Principal | None:
        """The principal if it is known without I/O. Raises Unauthenticated for a key known to be wrong."""
        return self._cached(_digest(key))

    async def authenticate(self, key: str) -> Principal:
        """Raises Unauthenticated, or Overloaded if the store cannot be asked."""
        digest = _digest(key)
        principal = self._cached(digest)
        if principal is not None:
            return principal
        key_id = key_id_of(key)
        if key_id is None:
            raise Unauthenticated(_REFUSED)
        task = self._pending.get(digest)
        if task is None:
            if len(self._pending) >= self._max_pending:
                raise Overloaded(_BUSY)
            task = asyncio.create_task(self._look_up(digest, key, key_id))
            self._pending[digest] = task
            task.add_done_callback(lambda done: self._forget_pending(digest, done))
        # Shielded: whoever asked first may leave, the others still wait for the answer.
        return await asyncio.shield(task)

    def forget(self, key_id: str) -> None:
        """Drops what is kept of a key, for a revocation that shall hold at once."""
        for digest in [d for d, (_, principal) in self._good.items() if principal.key_id == key_id]:
            del self._good[digest]

    def _cached(self, digest: bytes) -> Principal | None:
        entry = self._good.get(digest)
        if entry is not None and self._clock() < entry[0]:
            return entry[1]
        if entry is None and self._wrong and self._clock() < self._wrong.get(digest, 0.0):
            raise Unauthenticated(_REFUSED)
        return None

    async def _look_up(self, digest: bytes, key: str, key_id: str) -> Principal:
        presented = mac_of(key, pepper=self._pepper)
        record = await self._store.find(key_id)
        now = self._now()
        if record is None or not same_mac(record.secret_hmac, presented) or not _is_live(record, now):
            self._good.pop(digest, None)
            _keep(self._wrong, digest, self._clock() + self._wrong_ttl_s, self._max_entries)
            raise Unauthenticated(_REFUSED)
        ttl_s = self._ttl_s
        if record.expires_at is not None:
            ttl_s = min(ttl_s, record.expires_at.timestamp() - now)
        principal = Principal(
            key_id=record.id,
            user_id=record.user_id,
            tenant_id=record.tenant_id,
            roles=frozenset(record.roles),
            scopes=frozenset(record.scopes),
            team_id=record.team_id,
            discount_basis_points=record.discount_basis_points,
        )
        _keep(self._good, digest, (self._clock() + ttl_s, principal), self._max_entries)
        return principal

    def _forget_pending(self, digest: bytes, done: asyncio.Task[Principal]) -> None:
        del self._pending[digest]
        if not done.cancelled():
            # Asked for here so that a failure that nobody waits for any more is not reported as lost.
            done.exception()


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def _is_live(record: KeyRecord, now: float) -> bool:
    return record.revoked_at is None and (record.expires_at is None or now < record.expires_at.timestamp())


def _keep(cache: dict[bytes, V], digest: bytes, value: V, max_entries: int) -> None:
    """Oldest out first."""
    cache.pop(digest, None)
    cache[digest] = value
    if len(cache) > max_entries:
        del cache[next(iter(cache))]
