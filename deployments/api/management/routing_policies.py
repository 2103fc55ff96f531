"""`/v1/routing/policies`: what a tenant, or one of its keys, asks of the router for all of its requests."""

from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Path

from deployments.api.management.access import Admin, Caller
from deployments.api.management.fields import Out
from deployments.api.routing_policy import PolicyFields, fields_of
from models.errors import NotFound
from models.identity import KeyRecord
from models.routing.policies import RoutingPolicy

KeyId = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{12}$")]


class PolicyStore(Protocol):
    """Each method raises Overloaded if the store is away."""

    async def all(self, tenant_id: str) -> dict[str | None, RoutingPolicy]:
        """By key; the tenant's own is under None."""
        ...

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy: ...

    async def keep(self, tenant_id: str, policy: RoutingPolicy, *, key_id: str | None = None) -> None: ...


class Keys(Protocol):
    async def find(self, key_id: str) -> KeyRecord | None: ...


class PolicyOut(Out):
    object: Literal["routing_policy"] = "routing_policy"
    key_id: str | None
    """None: the whole tenant's."""
    policy: PolicyFields


class PolicyList(Out):
    object: Literal["list"] = "list"
    data: list[PolicyOut]


def router(store: PolicyStore, keys: Keys) -> APIRouter:
    routes = APIRouter(prefix="/v1/routing/policies", tags=["routing"])

    @routes.get("")
    async def get(admin: Admin) -> PolicyList:
        """The tenant's policy and those of its keys."""
        found = await store.all(admin.tenant_id)
        return PolicyList(
            data=[PolicyOut(key_id=key, policy=fields_of(policy)) for key, policy in found.items()]
        )

    @routes.get("/mine")
    async def mine(caller: Caller) -> PolicyOut:
        """What holds for your requests: your key's within your tenant's."""
        policy = await store.of(caller.tenant_id, caller.key_id)
        return PolicyOut(key_id=caller.key_id, policy=fields_of(policy))

    @routes.put("")
    async def put(admin: Admin, body: PolicyFields) -> PolicyOut:
        """Instead of the tenant's; in force within seconds."""
        await store.keep(admin.tenant_id, body.policy())
        return PolicyOut(key_id=None, policy=body)

    @routes.put("/keys/{key_id}")
    async def put_key(admin: Admin, key_id: KeyId, body: PolicyFields) -> PolicyOut:
        """Instead of a key's: it holds within the tenant's, which it may narrow and never loosen."""
        record = await keys.find(key_id)
        if record is None or record.tenant_id != admin.tenant_id:
            raise NotFound(f"there is no key {key_id}")
        await store.keep(admin.tenant_id, body.policy(), key_id=key_id)
        return PolicyOut(key_id=key_id, policy=body)

    return routes
