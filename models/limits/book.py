"""All limits there are, in memory, and which of them count for whom."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from models.limits.limit import Limit, Scope, Who

SCOPES: Sequence[Scope] = ("key", "user", "team", "tenant", "everyone")


class LimitStore(Protocol):
    """Each method raises Overloaded if the store is away."""

    async def version(self) -> int:
        """Another number after each change."""

    async def every(self) -> Sequence[Limit]: ...

    async def page(self, tenant_id: str | None, *, after: str, limit: int) -> Sequence[Limit]:
        """Up to `limit` of those that the tenant's administrators have set, or (None) those who run the
        installation, with an id above `after`, in the order of ids."""

    async def put(self, limit: Limit) -> Limit:
        """Instead of the one there is of the same tenant, scope, owner, model, provider and measure, whose id
        it then has."""

    async def remove(self, tenant_id: str | None, limit_id: str) -> bool:
        """Whether there was one."""


class Counted(NamedTuple):
    """A limit that counts, and the name of its counter."""

    limit: Limit
    key: str


class LimitBook:
    """`run_once` is the job that keeps it up to date; until it could be read there are no limits.

    What stands in the place of the installation and what a tenant has set count both. Within each, a limit of
    one owner takes the place of the one that each of its kind has.
    """

    def __init__(self, store: LimitStore, *, changed: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self.changed = changed
        """Called after other limits are in force."""
        self._version: int | None = None
        self._by_owner: dict[tuple[str | None, Scope, str | None], list[Limit]] = {}

    async def run_once(self) -> None:
        version = await self._store.version()
        if version != self._version:
            self.use(await self._store.every())
            self._version = version

    def use(self, limits: Sequence[Limit]) -> None:
        by_owner: dict[tuple[str | None, Scope, str | None], list[Limit]] = {}
        for limit in limits:
            by_owner.setdefault((limit.tenant_id, limit.scope, limit.owner), []).append(limit)
        self._by_owner = by_owner
        self.changed()

    def counting(self, who: Who, *, model: str, provider: str) -> list[Counted]:
        """In the order of the narrowest scope; what names no model or provider counts for all."""
        found: list[Counted] = []
        for tenant_id in (who.tenant_id, None):
            for scope in SCOPES:
                owner = who.owner(scope)
                if owner is None:
                    continue
                own = self._of(tenant_id, scope, owner, model, provider)
                taken = {_slot(limit) for limit in own}
                each = self._of(tenant_id, scope, None, model, provider)
                own += [limit for limit in each if _slot(limit) not in taken]
                found += [Counted(limit, f"limits:{limit.id}:{owner}") for limit in own]
        return found

    def _of(
        self, tenant_id: str | None, scope: Scope, owner: str | None, model: str, provider: str
    ) -> list[Limit]:
        return [
            limit
            for limit in self._by_owner.get((tenant_id, scope, owner), ())
            if limit.model in (None, model) and limit.provider in (None, provider)
        ]


def _slot(limit: Limit) -> tuple[str, str | None, str | None]:
    return limit.measure, limit.model, limit.provider


class InMemoryLimits:
    """`operators` are the ids of the tenants that run the installation."""

    def __init__(self, limits: Sequence[Limit] = (), *, operators: Sequence[str] = ()) -> None:
        self.limits = {limit.id: limit for limit in limits}
        self.operators = operators
        self._changes = 0

    async def version(self) -> int:
        return self._changes

    async def every(self) -> Sequence[Limit]:
        return list(self.limits.values())

    async def page(self, tenant_id: str | None, *, after: str, limit: int) -> Sequence[Limit]:
        found = [one for one in self.limits.values() if one.tenant_id == tenant_id and one.id > after]
        return sorted(found, key=lambda one: one.id)[:limit]

    async def put(self, limit: Limit) -> Limit:
        known = next((one for one in self.limits.values() if _same(one, limit)), None)
        kept = limit if known is None else replace(limit, id=known.id)
        self.limits[kept.id] = kept
        self._changes += 1
        return kept

    async def operates(self, tenant_id: str, ops_tenant: str) -> bool:
        return bool(ops_tenant) and tenant_id in self.operators

    async def remove(self, tenant_id: str | None, limit_id: str) -> bool:
        found = self.limits.get(limit_id)
        if found is None or found.tenant_id != tenant_id:
            return False
        del self.limits[limit_id]
        self._changes += 1
        return True


def _same(one: Limit, other: Limit) -> bool:
    return (one.tenant_id, one.scope, one.owner, *_slot(one)) == (
        other.tenant_id,
        other.scope,
        other.owner,
        *_slot(other),
    )
