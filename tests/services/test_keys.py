"""API keys in PostgreSQL, and in the double that stands for it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE

import pytest

from models.errors import Unauthenticated
from models.identity import ADMIN, Authenticator, InMemoryKeyStore, KeyRing, KeyStore, PostgresKeyStore

PEPPER = bytes(range(32))


@pytest.fixture(params=["postgres", "memory"])
def store(request: pytest.FixtureRequest) -> KeyStore:
    if request.param == "memory":
        return InMemoryKeyStore()
    return PostgresKeyStore(request.getfixturevalue("database"))


async def test_a_created_key_opens_the_door_to_its_user(store: KeyStore) -> None:
    ring = KeyRing(store, PEPPER)
    expires = datetime.now(UTC) + timedelta(days=1)
    issued = await ring.create_key(
        "ann",
        tenant="acme",
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
