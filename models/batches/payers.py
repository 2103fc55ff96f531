"""Who pays for a batch's lines: the key that made the batch, as long as it is good."""

import time
from collections.abc import Callable

from models.errors import Unauthenticated
from models.identity import KeyStore, Principal

TTL_S = 5.0
_MAX_ENTRIES = 1_000


class Payers:
    """`ttl_s`: how long a revoked key may still pay."""

    def __init__(
        self,
        keys: KeyStore,
        *,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._ttl_s = ttl_s
        self._clock = clock
        self._now = now
        self._known: dict[str, tuple[float, Principal]] = {}

    async def principal(self, key_id: str) -> Principal:
        """Raises Unauthenticated for a key that is no longer good, Overloaded if nobody can tell."""
        known = self._known.get(key_id)
        if known is not None and self._clock() < known[0]:
            return known[1]
        record = await self._keys.find(key_id)
        now = self._now()
        expires = None if record is None or record.expires_at is None else record.expires_at.timestamp()
        if record is None or record.revoked_at is not None or (expires is not None and expires <= now):
            self._known.pop(key_id, None)
            raise Unauthenticated("the API key that made the batch is expired or revoked")
        principal = Principal(
            key_id=record.id,
            user_id=record.user_id,
            tenant_id=record.tenant_id,
            roles=frozenset(record.roles),
            scopes=frozenset(record.scopes),
            team_id=record.team_id,
            discount_basis_points=record.discount_basis_points,
        )
        ttl_s = self._ttl_s if expires is None else min(self._ttl_s, expires - now)
        self._known.pop(key_id, None)
        self._known[key_id] = self._clock() + ttl_s, principal
        if len(self._known) > _MAX_ENTRIES:
            del self._known[next(iter(self._known))]
        return principal
