"""Making, listing and revoking API keys."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from models.identity.keys import key_id_of, mac_of, new_key, same_mac
from models.identity.principal import ADMIN
from models.identity.secret_file import read_secret, write_secret
from models.identity.store import KeyRecord, KeyStore, NewKey

DEFAULT_TENANT = "default"
MAX_PAGE = 1_000

_LOCK_POLL_S = 0.02


class IssuedKey(Struct, frozen=True, kw_only=True):
    """The only time that the key itself is seen."""

    key: str
    record: KeyRecord

    def __repr__(self) -> str:
        return f"IssuedKey(id={self.record.id!r})"


class KeyRing:
    def __init__(self, store: KeyStore, pepper: bytes) -> None:
        self._store = store
        self._pepper = pepper

    async def create_key(
        self,
        user: str,
        *,
        tenant: str = DEFAULT_TENANT,
        team: str | None = None,
        name: str = "",
        roles: Sequence[str] = (),
        scopes: Sequence[str] = (),
        budget_pico: int | None = None,
        expires_at: datetime | None = None,
    ) -> IssuedKey:
        """A key for `user`, spending for `team`; both are made if new. `roles` are added to the user's."""
        key_id, key = new_key()
        record = await self._store.add(
            NewKey(
                id=key_id,
                secret_hmac=mac_of(key, pepper=self._pepper),
                tenant=tenant,
                user=user,
                team=team,
                roles=tuple(roles),
                scopes=tuple(scopes),
                name=name,
                budget_pico=budget_pico,
                expires_at=expires_at,
            )
        )
        return IssuedKey(key=key, record=record)

    async def list_keys(
        self,
        *,
        tenant_id: str | None = None,
        user_id: str | None = None,
        user: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[KeyRecord]:
        """A page of keys; the next begins after the last one's id. `user` is a name."""
        return await self._store.list(
            tenant_id=tenant_id, user_id=user_id, user=user, after=after, limit=min(limit, MAX_PAGE)
        )

    async def find_key(self, key_id: str) -> KeyRecord | None:
        """Revoked and expired ones too."""
        return await self._store.find(key_id)

    async def revoke_key(self, key_id: str) -> bool:
        """False if there is no such key."""
        return await self._store.revoke(key_id)

    async def ensure_admin(self, path: Path) -> str:
        """An admin key that works is in the file `path` afterwards (mode 0600); returns its id.

        However many processes ask at once, one key is made.
        """
        async with _exclusive(path):
            present = await self._live_admin_id(read_secret(path))
            if present is not None:
                return present
            issued = await self.create_key("admin", name="first admin key", roles=(ADMIN,))
            write_secret(path, issued.key)
            return issued.record.id

    async def _live_admin_id(self, key: str | None) -> str | None:
        key_id = None if key is None else key_id_of(key)
        record = None if key_id is None else await self._store.find(key_id)
        if key is None or record is None or record.revoked_at is not None or ADMIN not in record.roles:
            return None
        return record.id if same_mac(record.secret_hmac, mac_of(key, pepper=self._pepper)) else None


@asynccontextmanager
async def _exclusive(path: Path) -> AsyncIterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try_lock(lock):  # noqa: ASYNC110 - the holder may be another process
            await asyncio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(lock)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
