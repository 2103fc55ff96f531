"""API keys in PostgreSQL, and in the double that stands for it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE
from typing import Any, Protocol

import pytest

from deployments.local import access
from deployments.local.home import Home
from models.errors import Unauthenticated
from models.identity import (
    ADMIN,
    Authenticator,
    Directory,
    InMemoryKeyStore,
    KeyRing,
    KeyStore,
    PostgresKeyStore,
)
from models.ledger.budget import Change, Owners
from models.ledger.budget_store import PostgresBudgetStore
from models.store import Database

PEPPER = bytes(range(32))


class Store(KeyStore, Directory, Protocol):
    """Either store is both."""


@pytest.fixture(params=["postgres", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return InMemoryKeyStore()
    return PostgresKeyStore(request.getfixturevalue("database"))


async def test_a_created_key_opens_the_door_to_its_user(store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER)
    expires = datetime.now(UTC) + timedelta(days=1)
    issued = await ring.create_key(
        "ann",
        tenant="acme",
        team="search",
        name="laptop",
        scopes=("chat",),
        roles=("auditor",),
        budget_pico=10**30,
        expires_at=expires,
    )
    principal = await Authenticator(store, PEPPER).authenticate(issued.key)
    assert principal.key_id == issued.record.id
    assert principal.scopes == {"chat"}
    assert principal.roles == {"auditor"}
    assert not principal.is_admin
    assert principal.team_id == issued.record.team_id is not None
    assert issued.record.team_name == "search"
    assert issued.record.budget_pico == 10**30
    assert issued.record.expires_at == expires
    assert issued.key not in repr(issued)


async def test_one_user_may_have_many_keys_and_one_name_may_live_in_many_tenants(store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER)
    one, two = await asyncio.gather(ring.create_key("ann"), ring.create_key("ann", roles=("auditor",)))
    other = await ring.create_key("ann", tenant="other")
    assert one.record.user_id == two.record.user_id != other.record.user_id
    assert one.record.tenant_id == two.record.tenant_id != other.record.tenant_id
    assert (await store.find(other.record.id)) == other.record
    found = await store.find(one.record.id)
    assert found is not None
    assert found.roles == ("auditor",)


async def test_keys_are_listed_page_by_page(store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER)
    ids = sorted([(await ring.create_key(user)).record.id for user in "aabba"])
    first = await ring.list_keys(limit=3)
    rest = await ring.list_keys(after=first[-1].id)
    assert [k.id for k in [*first, *rest]] == ids
    assert [k.user_name for k in await ring.list_keys(user="b")] == ["b", "b"]


async def test_keys_are_listed_by_tenant_and_user(store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER)
    ann = (await ring.create_key("ann", tenant="acme")).record
    bob = (await ring.create_key("bob", tenant="acme")).record
    other = (await ring.create_key("ann", tenant="other")).record
    for tenant_id, user_id, user, expected in [
        (ann.tenant_id, None, None, {ann.id, bob.id}),
        (ann.tenant_id, bob.user_id, None, {bob.id}),
        (ann.tenant_id, other.user_id, None, set()),
        (None, None, "ann", {ann.id, other.id}),
        (None, None, None, {ann.id, bob.id, other.id}),
    ]:
        found = await ring.list_keys(tenant_id=tenant_id, user_id=user_id, user=user)
        assert {key.id for key in found} == expected


async def test_a_team_is_made_once_for_each_tenant(store: Store) -> None:
    ring = KeyRing(store, PEPPER)
    keys = await asyncio.gather(*(ring.create_key(user, team="search") for user in "abcdefgh"))
    team = await store.add_team(keys[0].record.tenant_id, "search")
    assert {key.record.team_id for key in keys} == {team.id}
    other = (await ring.create_key("a", tenant="other", team="search")).record
    assert other.team_id != team.id
    assert (await ring.create_key("a")).record.team_id is None
    found = await asyncio.gather(*(store.add_team(other.tenant_id, "ads") for _ in range(8)))
    assert len({team.id for team in found}) == 1
    names = [team.name for team in await store.teams(other.tenant_id, after="", limit=10)]
    assert names == ["ads", "search"]
    assert [t.name for t in await store.teams(other.tenant_id, after="ads", limit=10)] == ["search"]
    assert [t.name for t in await store.teams(other.tenant_id, after="", limit=1)] == ["ads"]


async def test_users_and_teams_are_found_by_id_or_name_in_their_tenant(store: Store) -> None:
    ann = (await KeyRing(store, PEPPER).create_key("ann", team="search")).record
    # A user whose name is another one's id.
    twin = (await KeyRing(store, PEPPER).create_key(ann.user_id, tenant="default")).record
    stranger = (await KeyRing(store, PEPPER).create_key("eve", tenant="other", team="ads")).record
    assert await store.user_id(ann.tenant_id, "ann") == ann.user_id
    assert await store.user_id(ann.tenant_id, ann.user_id) == ann.user_id != twin.user_id
    assert await store.team_id(ann.tenant_id, "search") == ann.team_id
    assert await store.team_id(ann.tenant_id, str(ann.team_id)) == ann.team_id
    for nobody in ("eve", stranger.user_id, "", "%"):
        assert await store.user_id(ann.tenant_id, nobody) is None
    for nobody in ("ads", str(stranger.team_id)):
        assert await store.team_id(ann.tenant_id, nobody) is None


async def test_a_keys_budget_is_a_budget_like_any_other(database: Database) -> None:
    keys = PostgresKeyStore(database)
    key = (await KeyRing(keys, PEPPER).create_key("ann", budget_pico=500)).record
    budgets = PostgresBudgetStore(database)
    owners = Owners(tenant_id=key.tenant_id, user_id=key.user_id, key_id=key.id)
    (standing,) = await budgets.applying(owners)
    assert (standing.budget.scope, standing.budget.owner, standing.budget.period) == ("key", key.id, "total")
    assert (standing.budget.limit_pico, standing.budget.hard) == (500, True)
    await budgets.change(key.tenant_id, standing.budget.id, Change(limit_pico=900))
    found = await keys.find(key.id)
    assert found is not None
    assert found.budget_pico == 900
    await budgets.end(key.tenant_id, standing.budget.id)
    assert (await KeyRing(keys, PEPPER).list_keys())[0].budget_pico is None


async def test_a_key_without_a_budget_has_none(database: Database) -> None:
    keys = PostgresKeyStore(database)
    key = (await KeyRing(keys, PEPPER).create_key("ann")).record
    assert key.budget_pico is None
    assert await PostgresBudgetStore(database).applying(Owners(tenant_id=key.tenant_id, key_id=key.id)) == []


async def test_a_revocation_holds_in_every_replica_within_the_caches_time(store: KeyStore) -> None:
    issued = await KeyRing(store, PEPPER).create_key("ann")
    now = 0.0
    replicas = [Authenticator(store, PEPPER, ttl_s=5.0, clock=lambda: now) for _ in range(3)]
    for replica in replicas:
        await replica.authenticate(issued.key)
    await KeyRing(store, PEPPER).revoke_key(issued.record.id)
    now = 5.0
    for replica in replicas:
        with pytest.raises(Unauthenticated):
            await replica.authenticate(issued.key)


async def test_a_revoked_key_is_refused(store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER)
    issued = await ring.create_key("ann")
    assert await ring.revoke_key(issued.record.id)
    first = await store.find(issued.record.id)
    assert await ring.revoke_key(issued.record.id)
    assert await store.find(issued.record.id) == first
    assert not await ring.revoke_key("nosuchkey")
    with pytest.raises(Unauthenticated):
        await Authenticator(store, PEPPER).authenticate(issued.key)


async def test_one_admin_key_is_made_however_many_ask(store: KeyStore, tmp_path: Path) -> None:
    path = tmp_path / "home" / "admin.key"
    rings = [KeyRing(store, PEPPER) for _ in range(8)]
    ids = set(await asyncio.gather(*(ring.ensure_admin(path) for ring in rings)))
    assert len(ids) == len(await rings[0].list_keys()) == 1
    assert S_IMODE(path.stat().st_mode) == 0o600
    principal = await Authenticator(store, PEPPER).authenticate(path.read_text().strip())
    assert principal.is_admin
    assert {principal.key_id} == ids
    assert {p.name for p in path.parent.iterdir()} == {"admin.key", ".admin.key.lock"}


@pytest.mark.parametrize("content", ["", "nonsense", f"pvx_{'0' * 12}_{'0' * 43}"])
async def test_an_admin_file_that_opens_nothing_is_replaced(
    store: KeyStore, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "admin.key"
    path.touch(mode=0o600)
    path.write_text(content)
    ring = KeyRing(store, PEPPER)
    key_id = await ring.ensure_admin(path)
    assert await ring.revoke_key(key_id)
    again = await ring.ensure_admin(path)
    assert again != key_id
    assert ADMIN in (await Authenticator(store, PEPPER).authenticate(path.read_text().strip())).roles


async def test_keys_are_made_listed_and_revoked_from_the_command_line(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYVOX_DATABASE_URL", url)
    home = Home.open(tmp_path)
    plain: dict[str, Any] = {
        "team": None,
        "budget_usd": None,
        "expires_days": None,
        "name": "",
        "admin": False,
    }
    bare = await access.create(home, user="bob", **plain)
    made = await access.create(
        home, user="ann", **{**plain, "team": "search", "budget_usd": "2.50", "expires_days": 7}
    )
    assert (bare["team"], bare["budget_usd"], bare["expires_at"]) == (None, None, None)
    assert (made["user"], made["team"], made["budget_usd"]) == ("ann", "search", "2.5")
    lives = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < lives <= timedelta(days=7)
    assert made.pop("key").startswith(f"pvx_{made['id']}_")
    assert await access.listing(home, user="ann") == [made]
    assert await access.revoke(home, made["id"])
    assert not await access.revoke(home, "nosuchkey")
    (revoked,) = await access.listing(home, user="ann")
    assert revoked["revoked_at"] is not None


@pytest.mark.parametrize("budget", ["much", "-1", "NaN", "Infinity", "0.0000000000001"])
async def test_a_budget_that_is_no_amount_makes_no_key(tmp_path: Path, budget: str) -> None:
    with pytest.raises(ValueError, match=r"USD|negative"):
        await access.create(
            Home.open(tmp_path),
            user="ann",
            team=None,
            budget_usd=budget,
            expires_days=None,
            name="",
            admin=False,
        )
