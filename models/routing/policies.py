"""What a tenant, or one of its keys, asks of the router for all of its requests."""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct
from psycopg import AsyncConnection

from models.errors import Overloaded
from models.routing.constraints import Constraints
from models.routing.explore import MAX_SHARE
from models.routing.weights import Weights
from models.store import Database, load_queries


class RoutingPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    weights: Weights | None = None
    """In place of a mode's."""
    constraints: Constraints = Constraints()
    exploration: Annotated[float, Meta(ge=0, le=MAX_SHARE)] = MAX_SHARE

    def within(self, outer: "RoutingPolicy") -> "RoutingPolicy":
        """As it holds under another, which it may narrow and never loosen."""
        return RoutingPolicy(
            weights=self.weights or outer.weights,
            constraints=self.constraints.and_also(outer.constraints),
            exploration=min(self.exploration, outer.exploration),
        )


class PostgresPolicies:
    """Each method raises Overloaded if the store is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("routing")

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        """The key's within its tenant's. Every request asks for it: keep it in memory."""
        found = await self.all(tenant_id)
        return found.get(key_id, RoutingPolicy()).within(found.get(None, RoutingPolicy()))

    async def all(self, tenant_id: str) -> dict[str | None, RoutingPolicy]:
        """By key; the tenant's own is under None."""

        async def fetch(connection: AsyncConnection) -> list[Any]:
            rows = await connection.execute(self._queries["policies"], {"tenant_id": tenant_id})
            return await rows.fetchall()

        rows = await self._database.run(fetch)
        return {key: msgspec.json.decode(text, type=RoutingPolicy) for key, text in rows}

    async def keep(self, tenant_id: str, policy: RoutingPolicy, *, key_id: str | None = None) -> None:
        """Of the whole tenant, if no key is named."""
        values = {"tenant_id": tenant_id, "key_id": key_id, "policy": msgspec.json.encode(policy).decode()}

        async def upsert(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["keep_policy"], values)

        await self._database.run(upsert)


class Policies(Protocol):
    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        """Raises Overloaded where nobody can tell."""
        ...


class NoPolicies:
    """Everything goes."""

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        del tenant_id, key_id
        return RoutingPolicy()


class RememberedPolicies:
    """Asked for by every request, looked up every few seconds. A policy that cannot be looked up again holds
    on; one that nobody knows yet is waited for, and its request fails with what kept it from being known."""

    FRESH_S = 5.0
    KEPT_S = 600.0
    MAX_KEYS = 10_000

    def __init__(self, policies: Policies, *, clock: Callable[[], float]) -> None:
        self._policies = policies
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, RoutingPolicy]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[RoutingPolicy]] = {}

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        who = (tenant_id, key_id)
        at, policy = self._known.get(who, (float("-inf"), RoutingPolicy()))
        age_s = self._clock() - at
        if age_s < self.FRESH_S:
            return policy
        asking = self._asking.get(who) or self._ask(who)
        try:
            return await asyncio.shield(asking)
        except Overloaded:
            if age_s < self.KEPT_S:
                return policy
            raise

    def _ask(self, who: tuple[str, str]) -> asyncio.Task[RoutingPolicy]:
        task = asyncio.get_running_loop().create_task(self._look_up(who), context=contextvars.Context())
        self._asking[who] = task
        task.add_done_callback(lambda done: self._asked(who, done))
        return task

    async def _look_up(self, who: tuple[str, str]) -> RoutingPolicy:
        policy = await self._policies.of(*who)
        self._known[who] = self._clock(), policy
        self._known.move_to_end(who)
        if len(self._known) > self.MAX_KEYS:
            self._known.popitem(last=False)
        return policy

    def _asked(self, who: tuple[str, str], done: asyncio.Task[RoutingPolicy]) -> None:
        del self._asking[who]
        if not done.cancelled():
            done.exception()  # whoever waited has heard of it
