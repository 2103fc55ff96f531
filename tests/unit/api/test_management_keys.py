"""`/v1/keys` and `/v1/teams`: who may make, see and revoke which."""

from typing import Any

import pytest

from models.errors import Unauthenticated
from models.identity import Authenticator
from tests.asgi import Client
from tests.unit.api.management import PEPPER, Management

SOON, LATER = "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"


@pytest.fixture
def management() -> Management:
    return Management()


async def made(client: Client, **body: Any) -> dict[str, Any]:
    response = await client.request("POST", "/v1/keys", body)
    assert response.status == 201, response.body
    key: dict[str, Any] = response.json()
    return key


async def ids(client: Client, query: str = "") -> list[str]:
    return [key["id"] for key in (await client.request("GET", f"/v1/keys{query}")).json()["data"]]


async def test_a_key_is_shown_once_and_opens_the_door(management: Management) -> None:
    admin = await management.admin()
    key = await made(
        admin, user="bob", team="search", name="laptop", scopes=["chat"], budget_usd="12.50", expires_at=SOON
    )
    principal = await Authenticator(management.keys, PEPPER).authenticate(key.pop("key"))
    assert (principal.key_id, principal.user_id, principal.team_id) == (
        key["id"],
        key["user_id"],
        key["team_id"],
    )
    assert key["budget_usd"] == "12.5"
    assert (key["user"], key["team"], key["name"], key["scopes"]) == ("bob", "search", "laptop", ["chat"])
    again = await admin.request("GET", f"/v1/keys/{key['id']}")
    assert again.json() == key
    assert "pvx_" not in again.body.decode()


async def test_an_administrator_makes_administrators_of_the_own_tenant(management: Management) -> None:
    key = await made(await management.admin(), user="eve", roles=["admin"])
    principal = await Authenticator(management.keys, PEPPER).authenticate(key["key"])
    assert principal.is_admin
    assert principal.tenant_id == (await management.principal("x")).tenant_id


async def test_a_user_makes_keys_for_themselves_that_inherit_what_their_own_is_confined_to(
    management: Management,
) -> None:
    own = await management.principal("ann", team="search", scopes=("chat", "embed"))
    made_key = await made(management.client_of(own), name="second")
    assert made_key["user_id"] == own.user_id
    assert made_key["team_id"] == own.team_id
    assert made_key["scopes"] == ["chat", "embed"]
    assert (await made(management.client_of(own), user="ann", scopes=["chat"]))["scopes"] == ["chat"]


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"user": "bob"}, "user"),
        ({"roles": ["admin"]}, "roles"),
        ({"team": "other"}, "team"),
        ({"scopes": ["chat", "admin"]}, "scopes"),
        ({"expires_at": LATER}, "expires_at"),
    ],
)
async def test_a_user_makes_no_key_that_can_more_than_their_own(
    management: Management, asked: dict[str, Any], param: str
) -> None:
    admin = await management.admin()
    key = await made(admin, user="ann", team="search", scopes=["chat"], expires_at=SOON)
    ann = management.client_of(await Authenticator(management.keys, PEPPER).authenticate(key["key"]))
    response = await ann.request("POST", "/v1/keys", asked)
    assert (response.status, response.json()["error"]["param"]) == (403, param)
    assert len(await ids(admin, "?user=ann")) == 1
    assert (await made(ann))["expires_at"] == SOON


async def test_a_key_with_a_budget_of_its_own_does_not_escape_it_through_another(
    management: Management,
) -> None:
    own = await management.principal("ann")
    ann = management.client_of(own)
    await made(ann)
    budget = await management.manager.create(
        own.tenant_id, scope="key", owner=own.key_id, period="day", limit_pico=1
    )
    assert (await ann.request("POST", "/v1/keys", {})).status == 403
    await management.manager.end(own.tenant_id, budget.id)
    await made(ann)


async def test_an_administrators_key_for_other_uses_does_not_administer(management: Management) -> None:
    confined = await management.client("root", roles=("admin",), scopes=("chat",))
    assert (await confined.request("POST", "/v1/teams", {"name": "search"})).status == 403
    assert (await confined.request("POST", "/v1/keys", {"user": "bob"})).status == 403
    trusted = await management.client("root", scopes=("chat", "admin"))
    assert (await trusted.request("POST", "/v1/teams", {"name": "search"})).status == 201


@pytest.mark.parametrize("field", ["user", "team"])
async def test_an_id_is_not_taken_for_a_new_name(management: Management, field: str) -> None:
    response = await (await management.admin()).request(
        "POST", "/v1/keys", {field: "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
    )
    assert (response.status, response.json()["error"]["param"]) == (400, field)


async def test_who_sees_which_keys(management: Management) -> None:
    ann, bob = await management.principal("ann"), await management.principal("bob")
    foreign = await management.principal("ann", tenant="other")
    admin = await management.admin()
    assert await ids(management.client_of(ann)) == [ann.key_id]
    assert {ann.key_id, bob.key_id} < set(await ids(admin))
    assert foreign.key_id not in await ids(admin)
    assert await ids(admin, "?user=bob") == await ids(admin, f"?user={bob.user_id}") == [bob.key_id]
    for client, key_id, status in [
        (management.client_of(ann), ann.key_id, 200),
        (management.client_of(ann), bob.key_id, 404),
        (management.client_of(ann), foreign.key_id, 404),
        (admin, bob.key_id, 200),
        (admin, foreign.key_id, 404),
        (admin, "nosuchkey", 404),
    ]:
        assert (await client.request("GET", f"/v1/keys/{key_id}")).status == status
        assert (await client.request("DELETE", f"/v1/keys/{key_id}")).status == status
    assert (await management.client_of(ann).request("GET", "/v1/keys?user=bob")).status == 404
    assert (await management.client_of(ann).request("GET", "/v1/keys?user=nobody")).status == 404


async def test_keys_come_in_pages(management: Management) -> None:
    admin = await management.admin()
    for _ in range(4):
        await made(admin, user="bob")
    first = (await admin.request("GET", "/v1/keys?limit=3")).json()
    rest = (await admin.request("GET", f"/v1/keys?limit=3&after={first['data'][-1]['id']}")).json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    found = [key["id"] for key in [*first["data"], *rest["data"]]]
    assert found == sorted(await ids(admin))
    assert (await admin.request("GET", "/v1/keys?limit=501")).status == 400
    assert (await admin.request("GET", "/v1/keys?tenant=other")).status == 400


async def test_a_revoked_key_opens_nothing_any_more(management: Management) -> None:
    admin = await management.admin()
    key = await made(admin, user="ann")
    authenticator = Authenticator(management.keys, PEPPER)
    ann = management.client_of(await authenticator.authenticate(key["key"]))
    revoked = (await ann.request("DELETE", f"/v1/keys/{key['id']}")).json()
    assert revoked["revoked_at"] is not None
    assert management.forgotten == [key["id"]]
    with pytest.raises(Unauthenticated):
        await Authenticator(management.keys, PEPPER).authenticate(key["key"])


async def test_teams_are_made_once_and_listed_by_name(management: Management) -> None:
    admin = await management.admin()
    for name in ("search", "ads", "search", "maps"):
        response = await admin.request("POST", "/v1/teams", {"name": name})
        assert response.status == 201
    first = (await admin.request("GET", "/v1/teams?limit=2")).json()
    rest = (await admin.request("GET", "/v1/teams?after=maps")).json()
    assert [team["name"] for team in first["data"]] == ["ads", "maps"]
    assert [team["name"] for team in rest["data"]] == ["search"]
    assert (await (await management.admin(tenant="other")).request("GET", "/v1/teams")).json()["data"] == []
    assert (await (await management.client()).request("GET", "/v1/teams")).status == 403
    assert (await admin.request("POST", "/v1/teams", {"name": rest["data"][0]["id"]})).status == 400


async def test_a_caller_whose_key_is_not_kept_here_makes_none(management: Management) -> None:
    own = await management.principal("ann")
    stranger = management.client_of(type(own)("unknownkey", own.user_id, own.tenant_id))
    assert (await stranger.request("POST", "/v1/keys", {})).status == 403
