"""Keys, users and teams in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from models.identity.store import KeyRecord, NewKey, Team


class InMemoryKeyStore:
    """A KeyStore and a Directory for tests and for trying things out.

    Ids are made of names; nothing is forgotten before the process ends.
    """

    def __init__(self) -> None:
        self._keys: dict[str, KeyRecord] = {}
        self._roles: dict[tuple[str, str], frozenset[str]] = {}
        self._teams: dict[tuple[str, str], Team] = {}

    async def find(self, key_id: str) -> KeyRecord | None:
        record = self._keys.get(key_id)
        return None if record is None else self._with_roles(record)

    async def add(self, key: NewKey) -> KeyRecord:
        owner = (key.tenant, key.user)
        tenant_id = _id(key.tenant)
        self._roles[owner] = self._roles.get(owner, frozenset()) | set(key.roles)
        team = None if key.team is None else await self.add_team(tenant_id, key.team)
        record = KeyRecord(
            id=key.id,
            user_id=_id(key.tenant, "user", key.user),
            user_name=key.user,
            tenant_id=tenant_id,
            tenant_name=key.tenant,
            scopes=key.scopes,
            team_id=None if team is None else team.id,
            team_name=key.team,
            name=key.name,
            budget_pico=key.budget_pico,
            secret_hmac=key.secret_hmac,
            created_at=datetime.now(UTC),
            expires_at=key.expires_at,
        )
        return self._with_roles(self._keys.setdefault(key.id, record))

    async def list(
        self, *, tenant_id: str | None, user_id: str | None, user: str | None, after: str, limit: int
    ) -> Sequence[KeyRecord]:
        found = [
            k
            for k in self._keys.values()
            if k.id > after
            and tenant_id in (None, k.tenant_id)
            and user_id in (None, k.user_id)
            and user in (None, k.user_name)
        ]
        return [self._with_roles(k) for k in sorted(found, key=lambda k: k.id)[:limit]]

    async def revoke(self, key_id: str) -> bool:
        record = self._keys.get(key_id)
        if record is None:
            return False
        if record.revoked_at is None:
            self._keys[key_id] = replace(record, revoked_at=datetime.now(UTC))
        return True

    async def user_id(self, tenant_id: str, who: str) -> str | None:
        known = {k.user_id: k.user_name for k in self._keys.values() if k.tenant_id == tenant_id}
        return _by_id_or_name(known, who)

    async def team_id(self, tenant_id: str, which: str) -> str | None:
        known = {team.id: name for (tenant, name), team in self._teams.items() if tenant == tenant_id}
        return _by_id_or_name(known, which)

    async def add_team(self, tenant_id: str, name: str) -> Team:
        team = Team(id=_id(tenant_id, "team", name), name=name, created_at=datetime.now(UTC))
        return self._teams.setdefault((tenant_id, name), team)

    async def teams(self, tenant_id: str, *, after: str, limit: int) -> Sequence[Team]:
        found = [t for (tenant, name), t in self._teams.items() if tenant == tenant_id and name > after]
        return sorted(found, key=lambda team: team.name)[:limit]

    def _with_roles(self, record: KeyRecord) -> KeyRecord:
        return replace(record, roles=tuple(sorted(self._roles[record.tenant_name, record.user_name])))


def _id(*names: str) -> str:
    return str(uuid5(NAMESPACE_URL, "\0".join(names)))


def _by_id_or_name(names: dict[str, str], text: str) -> str | None:
    return text if text in names else next((i for i, name in names.items() if name == text), None)
