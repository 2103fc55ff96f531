"""Where keys are kept."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct
from msgspec.structs import replace


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A key as it is stored: everything but the key."""

    id: str
    user_id: str
    user_name: str
    tenant_id: str
    tenant_name: str
    roles: tuple[str, ...] = ()
    """The user's."""
    scopes: tuple[str, ...] = ()
    name: str = ""
    budget_pico: int | None = None
    secret_hmac: bytes
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to be stored for a user, who is made if there is none of that name in the tenant."""

    id: str
    secret_hmac: bytes
    tenant: str
    user: str
    roles: tuple[str, ...] = ()
    """Added to the user's."""
    scopes: tuple[str, ...] = ()
    name: str = ""
    budget_pico: int | None = None
    expires_at: datetime | None = None


class KeyStore(Protocol):
    """Each method raises Overloaded if the store is away."""

    async def find(self, key_id: str) -> KeyRecord | None:
        """Revoked and expired ones too."""

    async def add(self, key: NewKey) -> KeyRecord:
        """Adding the same id again returns what is stored."""

    async def list(self, *, user: str | None, after: str, limit: int) -> Sequence[KeyRecord]:
        """Up to `limit` keys with an id above `after`, in the order of ids."""

    async def revoke(self, key_id: str) -> bool:
        """Whether there is such a key; the first revocation's time stays."""


class InMemoryKeyStore:
    """For tests and for trying things out; nothing is forgotten before the process ends."""

    def __init__(self) -> None:
        self._keys: dict[str, KeyRecord] = {}
        self._roles: dict[tuple[str, str], frozenset[str]] = {}

    async def find(self, key_id: str) -> KeyRecord | None:
        record = self._keys.get(key_id)
        return None if record is None else self._with_roles(record)

    async def add(self, key: NewKey) -> KeyRecord:
        owner = (key.tenant, key.user)
        self._roles[owner] = self._roles.get(owner, frozenset()) | set(key.roles)
        record = KeyRecord(
            id=key.id,
            user_id=str(uuid5(NAMESPACE_URL, f"{key.tenant}/{key.user}")),
            user_name=key.user,
            tenant_id=str(uuid5(NAMESPACE_URL, key.tenant)),
            tenant_name=key.tenant,
            scopes=key.scopes,
            name=key.name,
            budget_pico=key.budget_pico,
            secret_hmac=key.secret_hmac,
            created_at=datetime.now(UTC),
            expires_at=key.expires_at,
        )
        return self._with_roles(self._keys.setdefault(key.id, record))

    async def list(self, *, user: str | None, after: str, limit: int) -> Sequence[KeyRecord]:
        found = [k for k in self._keys.values() if k.id > after and user in (None, k.user_name)]
        return [self._with_roles(k) for k in sorted(found, key=lambda k: k.id)[:limit]]

    async def revoke(self, key_id: str) -> bool:
        record = self._keys.get(key_id)
        if record is None:
            return False
        if record.revoked_at is None:
            self._keys[key_id] = replace(record, revoked_at=datetime.now(UTC))
        return True

    def _with_roles(self, record: KeyRecord) -> KeyRecord:
        return replace(record, roles=tuple(sorted(self._roles[record.tenant_name, record.user_name])))
