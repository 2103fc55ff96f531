"""What a tenant, or one of its keys, asks of the router for all of its requests."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from psycopg import AsyncConnection

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

        async def fetch(connection: AsyncConnection) -> list[Any]:
            rows = await connection.execute(self._queries["policies"], {"tenant_id": tenant_id})
            return await rows.fetchall()

        found = {
            key: msgspec.json.decode(text, type=RoutingPolicy)
            for key, text in await self._database.run(fetch)
            if key in (None, key_id)
        }
        return found.get(key_id, RoutingPolicy()).within(found.get(None, RoutingPolicy()))

    async def keep(self, tenant_id: str, policy: RoutingPolicy, *, key_id: str | None = None) -> None:
        """Of the whole tenant, if no key is named."""
        values = {"tenant_id": tenant_id, "key_id": key_id, "policy": msgspec.json.encode(policy).decode()}

        async def upsert(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["keep_policy"], values)

        await self._database.run(upsert)
