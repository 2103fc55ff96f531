"""What is kept of keys, users and teams, and by what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct


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
    team_id: str | None = None
    team_name: str | None = None
    name: str = ""
    budget_pico: int | None = None
    """The lowest of the key's own budgets without a period."""
    discount_basis_points: int = 0
    """What volume has earned its owner this month; only where a single key is looked up."""
    secret_hmac: bytes
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class NewKey(Struct, frozen=True, kw_only=True):
    """A key to be stored for a user and perhaps a team, each of which is made if the tenant has none such."""

    id: str
    secret_hmac: bytes
    tenant: str
    user: str
    team: str | None = None
    roles: tuple[str, ...] = ()
    """Added to the user's."""
    scopes: tuple[str, ...] = ()
    name: str = ""
    budget_pico: int | None = None
    """Becomes a hard budget of the key without a period."""
    expires_at: datetime | None = None


class Team(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    created_at: datetime


class KeyStore(Protocol):
    """Each method raises Overloaded if the store is away."""

    async def find(self, key_id: str) -> KeyRecord | None:
        """Revoked and expired ones too."""

    async def add(self, key: NewKey) -> KeyRecord:
        """Adding the same id again returns what is stored."""

    async def list(
        self, *, tenant_id: str | None, user_id: str | None, user: str | None, after: str, limit: int
    ) -> Sequence[KeyRecord]:
        """Up to `limit` keys with an id above `after`, in the order of ids; `user` is a name."""

    async def revoke(self, key_id: str) -> bool:
        """Whether there is such a key; the first revocation's time stays."""


class Directory(Protocol):
    """Who is who in a tenant. Each method raises Overloaded if it is away."""

    async def user_id(self, tenant_id: str, who: str) -> str | None:
        """The user with that id or else that name."""

    async def team_id(self, tenant_id: str, which: str) -> str | None:
        """The team with that id or else that name."""

    async def add_team(self, tenant_id: str, name: str) -> Team:
        """The team of that name, made if new."""

    async def teams(self, tenant_id: str, *, after: str, limit: int) -> Sequence[Team]:
        """Up to `limit` teams with a name above `after`, in the order of names."""
