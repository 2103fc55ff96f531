"""`/v1/limits`: who may set and see which, and what they say."""

from typing import Any

import pytest

from deployments.api.management import limits
from deployments.api.management.app import create_management
from models.limits import InMemoryLimits, LimitBook
from models.limits.limit import Who
from tests.asgi import Client
from tests.unit.api.management import Management

REQUESTS = {"scope": "tenant", "measure": "requests", "amount": 60}


class Limited(Management):
    def __init__(self) -> None:
        super().__init__()
        self.limits = InMemoryLimits()
        self.book = LimitBook(self.limits)
        self.app = create_management([limits.router(self.limits, self.keys, self.ring, book=self.book)])

    async def operator(self) -> Client:
        principal = await self.principal("root", tenant="default", roles=("admin",))
        self.limits.operators = [principal.tenant_id]
        return self.client_of(principal)


@pytest.fixture
def management() -> Limited:
    return Limited()


async def put(client: Client, **body: Any) -> dict[str, Any]:
    response = await client.request("PUT", "/v1/limits", body)
    assert response.status == 200, response.body
    limit: dict[str, Any] = response.json()
    return limit


async def ids(client: Client, query: str = "") -> set[str]:
    return {b["id"] for b in (await client.request("GET", f"/v1/limits{query}")).json()["data"]}


async def test_a_limit_is_what_was_asked_for(management: Limited) -> None:
    admin = await management.admin()
    ann = await management.principal("ann")
    limit = await put(
        admin, scope="user", owner="ann", measure="spend", amount_usd="1.50", burst_usd="3", model="gpt"
    )
    assert limit.pop("id")
    assert limit == {
        "object": "limit",
        "installation": False,
        "scope": "user",
        "owner": ann.user_id,
        "model": "gpt",
        "provider": None,
        "measure": "spend",
        "amount": None,
        "burst": None,
        "amount_usd": "1.5",
        "burst_usd": "3",
    }


async def test_it_holds_at_once_and_no_more_once_it_is_removed(management: Limited) -> None:
    admin = await management.admin()
    ann = await management.principal("ann", team="search")
    who = Who(ann.tenant_id, ann.team_id, ann.user_id, ann.key_id)
    made = [
        await put(admin, **REQUESTS),
        await put(admin, scope="team", owner="search", measure="tokens", amount=10_000),
        await put(admin, scope="key", owner=ann.key_id, measure="concurrent", amount=5),
        await put(admin, scope="user", measure="output_tokens", amount=7, burst=14),
    ]
    counting = [limit.id for limit, _ in management.book.counting(who, model="", provider="")]
    assert sorted(counting) == sorted(limit["id"] for limit in made)
    assert (await put(admin, **{**REQUESTS, "amount": 5}))["id"] == made[0]["id"]
    assert await ids(admin) == {limit["id"] for limit in made}
    for limit in made:
        assert (await admin.request("DELETE", f"/v1/limits/{limit['id']}")).status == 200
    assert management.book.counting(who, model="", provider="") == []
    assert (await admin.request("DELETE", f"/v1/limits/{made[0]['id']}")).status == 404


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": None}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": 10**13}, "amount"),
        ({"amount": "60"}, "amount"),
        ({"amount_usd": "1"}, "measure"),
        ({"measure": "spend"}, "measure"),
        ({"measure": "spend", "amount": None}, "amount_usd"),
        ({"measure": "spend", "amount": None, "amount_usd": "0"}, "amount_usd"),
        ({"measure": "spend", "amount": None, "amount_usd": "1000001"}, "amount_usd"),
        ({"measure": "concurrent", "burst": 5}, "burst"),
        ({"burst": 3_601}, "burst"),
        ({"measure": "bytes"}, "measure"),
        ({"scope": "everyone"}, "scope"),
        ({"scope": "user", "owner": "nobody"}, "owner"),
        ({"scope": "team", "owner": "nobody"}, "owner"),
        ({"scope": "key", "owner": "nosuchkey"}, "owner"),
        ({"owner": "another tenant"}, "owner"),
        ({"model": "gpt", "provider": "openai"}, "provider"),
        ({"tenant_id": "other"}, "tenant_id"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    management: Limited, change: dict[str, Any], param: str
) -> None:
    admin = await management.admin()
    response = await admin.request("PUT", "/v1/limits", {**REQUESTS, **change})
    assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert management.limits.limits == {}


async def test_others_see_what_counts_for_them_and_change_nothing(management: Limited) -> None:
    admin, other_admin = await management.admin(), await management.admin(tenant="other")
    ann, bob = await management.client("ann", team="search"), await management.client("bob")
    everybodys = await put(admin, **REQUESTS)
    anns = await put(admin, scope="user", owner="ann", measure="requests", amount=5)
    teams = await put(admin, scope="team", measure="requests", amount=5)
    assert await ids(ann) == {everybodys["id"], anns["id"], teams["id"]}
    assert await ids(bob) == {everybodys["id"]}
    assert await ids(other_admin) == set()
    for client in (ann, bob):
        assert (await client.request("PUT", "/v1/limits", REQUESTS)).status == 403
        assert (await client.request("DELETE", f"/v1/limits/{anns['id']}")).status == 403
    assert (await other_admin.request("DELETE", f"/v1/limits/{anns['id']}")).status == 404


async def test_the_installations_limits_are_for_those_who_run_it(management: Limited) -> None:
    admin, operator, ann = (
        await management.admin(),
        await management.operator(),
        await management.client("ann"),
    )
    body = {
        "installation": True,
        "scope": "everyone",
        "provider": "openai",
        "measure": "requests",
        "amount": 500,
    }
    assert (await admin.request("PUT", "/v1/limits", body)).status == 403
    assert (await admin.request("GET", "/v1/limits?installation=true")).status == 403
    limit = await put(operator, **body)
    each = await put(operator, **{**REQUESTS, "installation": True})
    assert (limit["installation"], each["owner"]) == (True, None)
    assert await ids(operator, "?installation=true") == {limit["id"], each["id"]}
    assert await ids(operator) == await ids(admin) == set()
    assert await ids(ann) == {limit["id"], each["id"]}
    assert (await admin.request("DELETE", f"/v1/limits/{limit['id']}")).status == 404
    removed = await operator.request("DELETE", f"/v1/limits/{limit['id']}?installation=true")
    assert removed.json() == {"object": "limit", "id": limit["id"], "deleted": True}


async def test_pages_follow_each_other(management: Limited) -> None:
    admin = await management.admin()
    made = {(await put(admin, **{**REQUESTS, "model": f"m{n}"}))["id"] for n in range(5)}
    first = (await admin.request("GET", "/v1/limits?limit=3")).json()
    assert (len(first["data"]), first["has_more"]) == (3, True)
    rest = await ids(admin, f"?after={first['data'][-1]['id']}")
    assert {limit["id"] for limit in first["data"]} | rest == made
