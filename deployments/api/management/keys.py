"""`/v1/keys` and `/v1/teams`."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field

from deployments.api.management.access import Admin, Caller, administers
from deployments.api.management.fields import In, Limit, Name, Out, Page, Text, Usd, page
from models.errors import InvalidRequest, NotFound, PermissionDenied
from models.identity import Directory, KeyRecord, KeyRing, Principal, Team
from models.ledger.budgets import BudgetManager
from models.money import pico, usd_text

KeyId = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{1,64}$")]


class KeyIn(In):
    user: Name | None = Field(None, description="A name, made if new; by default the caller's own.")
    team: Name | None = Field(None, description="The name of the team that it spends for, made if new.")
    name: Text = ""
    roles: list[Literal["admin"]] = Field([], max_length=8, description="Added to the user's.")
    scopes: list[Name] = Field([], max_length=32, description="What it may be used for; empty: everything.")
    budget_usd: Usd | None = Field(None, description="Becomes a hard budget of the key without a period.")
    expires_at: AwareDatetime | None = None


class KeyOut(Out):
    object: Literal["api_key"] = "api_key"
    id: str
    name: str
    user: str
    user_id: str
    team: str | None
    team_id: str | None
    roles: list[str]
    scopes: list[str]
    budget_usd: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyMade(KeyOut):
    key: str
    """Shown this once."""


class KeysWanted(In):
    user: Name | None = Field(None, description="A name or an id; an administrator may ask for others'.")
    after: Text = ""
    limit: Limit = 100


class TeamsWanted(In):
    after: Text = Field("", description="A name.")
    limit: Limit = 100


class TeamIn(In):
    name: Name


class TeamOut(Out):
    object: Literal["team"] = "team"
    id: str
    name: str
    created_at: datetime


def router(
    ring: KeyRing,
    directory: Directory,
    budgets: BudgetManager,
    *,
    forget: Callable[[str], None] = lambda _: None,
) -> APIRouter:
    """`forget` is told the ids of revoked keys, so that they are refused here at once."""
    keys, teams = _Keys(ring, directory, budgets, forget), _Teams(directory)
    routes = APIRouter(prefix="/v1")
    routes.add_api_route("/keys", keys.create, methods=["POST"], status_code=201, tags=["keys"])
    routes.add_api_route("/keys", keys.page, methods=["GET"], tags=["keys"])
    routes.add_api_route("/keys/{key_id}", keys.get, methods=["GET"], tags=["keys"])
    routes.add_api_route("/keys/{key_id}", keys.revoke, methods=["DELETE"], tags=["keys"])
    routes.add_api_route("/teams", teams.create, methods=["POST"], status_code=201, tags=["teams"])
    routes.add_api_route("/teams", teams.page, methods=["GET"], tags=["teams"])
    return routes


class _Keys:
    def __init__(
        self, ring: KeyRing, directory: Directory, budgets: BudgetManager, forget: Callable[[str], None]
    ) -> None:
        self._ring = ring
        self._directory = directory
        self._budgets = budgets
        self._forget = forget

    async def create(self, caller: Caller, body: KeyIn) -> KeyMade:
        """Make a key; it is shown this once. Who is no administrator makes keys for themselves, with
        no more rights than the key that asks."""
        own = await self._ring.find_key(caller.key_id)
        if own is None:
            raise PermissionDenied("only a key that is kept here can make others")
        if not administers(caller):
            await self._confine(caller, own, body)
            body = _inheriting(own, body)
        issued = await self._ring.create_key(
            _new_name(body.user, "user") or own.user_name,
            tenant=own.tenant_name,
            team=_new_name(body.team, "team"),
            name=body.name,
            roles=body.roles,
            scopes=body.scopes,
            budget_pico=None if body.budget_usd is None else pico(body.budget_usd),
            expires_at=body.expires_at,
        )
        return KeyMade(**_shown(issued.record).model_dump(), key=issued.key)

    async def page(self, caller: Caller, wanted: Annotated[KeysWanted, Query()]) -> Page[KeyOut]:
        """Your own keys; an administrator's tenant's."""
        user_id: str | None = None if administers(caller) else caller.user_id
        if wanted.user is not None:
            user_id = await self._directory.user_id(caller.tenant_id, wanted.user)
            if user_id is None or not (administers(caller) or user_id == caller.user_id):
                raise NotFound(f"there is no user {wanted.user}")
        found = await self._ring.list_keys(
            tenant_id=caller.tenant_id, user_id=user_id, after=wanted.after, limit=wanted.limit + 1
        )
        return page(found, wanted.limit, _shown)

    async def get(self, caller: Caller, key_id: KeyId) -> KeyOut:
        return _shown(await self._find(caller, key_id))

    async def revoke(self, caller: Caller, key_id: KeyId) -> KeyOut:
        """Make a key useless, everywhere within five seconds."""
        await self._find(caller, key_id)
        await self._ring.revoke_key(key_id)
        self._forget(key_id)
        return _shown(await self._find(caller, key_id))

    async def _find(self, caller: Principal, key_id: str) -> KeyRecord:
        record = await self._ring.find_key(key_id)
        if record is None or record.tenant_id != caller.tenant_id:
            raise NotFound(f"there is no key {key_id}")
        if record.user_id != caller.user_id and not administers(caller):
            raise NotFound(f"there is no key {key_id}")
        return record

    async def _confine(self, caller: Principal, own: KeyRecord, body: KeyIn) -> None:
        """Raises PermissionDenied for a key that could do what the caller's cannot."""
        if body.user not in (None, own.user_name):
            raise PermissionDenied("a key for somebody else takes an administrator's", param="user")
        if body.roles:
            raise PermissionDenied("a role takes an administrator's key", param="roles")
        if body.team not in (None, own.team_name):
            raise PermissionDenied("another team takes an administrator's key", param="team")
        if not _within(body.scopes, own.scopes):
            raise PermissionDenied("your own key is not for all of these uses", param="scopes")
        if body.expires_at is not None and own.expires_at is not None and body.expires_at > own.expires_at:
            raise PermissionDenied("your own key does not live as long", param="expires_at")
        limits = await self._budgets.page(caller.tenant_id, scope="key", owner=caller.key_id)
        if any(budget.hard for budget in limits):
            raise PermissionDenied("a key with a budget of its own makes no others")


class _Teams:
    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def create(self, caller: Admin, body: TeamIn) -> TeamOut:
        """Make a team; one of that name that is there is returned as it is."""
        name = _new_name(body.name, "name")
        assert name is not None
        return _team(await self._directory.add_team(caller.tenant_id, name))

    async def page(self, caller: Admin, wanted: Annotated[TeamsWanted, Query()]) -> Page[TeamOut]:
        """In the order of names."""
        found = await self._directory.teams(caller.tenant_id, after=wanted.after, limit=wanted.limit + 1)
        return page(found, wanted.limit, _team)


def _within(wanted: Collection[str], allowed: Collection[str]) -> bool:
    return not allowed or set(wanted) <= set(allowed)


def _inheriting(own: KeyRecord, body: KeyIn) -> KeyIn:
    return body.model_copy(
        update={
            "team": own.team_name,
            "scopes": body.scopes or list(own.scopes),
            "expires_at": body.expires_at or own.expires_at,
        }
    )


def _new_name(name: str | None, param: str) -> str | None:
    """Raises InvalidRequest for what is an id: who means an existing one would get a new one of that name."""
    if name is None:
        return None
    try:
        UUID(name)
    except ValueError:
        return name
    raise InvalidRequest("that is an id, not a name", param=param)


def _shown(record: KeyRecord) -> KeyOut:
    return KeyOut(
        id=record.id,
        name=record.name,
        user=record.user_name,
        user_id=record.user_id,
        team=record.team_name,
        team_id=record.team_id,
        roles=list(record.roles),
        scopes=list(record.scopes),
        budget_usd=None if record.budget_pico is None else usd_text(record.budget_pico),
        created_at=record.created_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
    )


def _team(team: Team) -> TeamOut:
    return TeamOut(id=team.id, name=team.name, created_at=team.created_at)
