"""`/v1/budgets` and `/v1/me`: who may make and see which, and what they say."""

from typing import Any

import pytest

from models.ledger.budget import Owners
from models.money import PICO_PER_USD
from tests.asgi import Client
from tests.unit.api.management import Management

DAY = {"scope": "tenant", "period": "day", "limit_usd": "10"}


@pytest.fixture
def management() -> Management:
    return Management()


async def made(client: Client, **body: Any) -> dict[str, Any]:
    response = await client.request("POST", "/v1/budgets", body)
    assert response.status == 201, response.body
    budget: dict[str, Any] = response.json()
    return budget


async def ids(client: Client, query: str = "") -> set[str]:
    return {b["id"] for b in (await client.request("GET", f"/v1/budgets{query}")).json()["data"]}


async def test_a_budget_is_what_was_asked_for(management: Management) -> None:
    admin = await management.admin()
    ann = await management.principal("ann")
    budget = await made(
        admin, scope="user", owner="ann", period="rolling", rolling_hours=24, limit_usd="1.50", name="Ann's"
    )
    assert budget.pop("id")
    assert budget.pop("created_at")
    assert budget == {
        "object": "budget",
        "scope": "user",
        "owner": ann.user_id,
        "period": "rolling",
        "rolling_hours": 24,
        "limit_usd": "1.5",
        "hard": True,
        "name": "Ann's",
        "ended_at": None,
    }


@pytest.mark.parametrize("by", ["id", "name"])
async def test_every_scope_has_its_owner(management: Management, by: str) -> None:
    admin = await management.admin()
    ann = await management.principal("ann", team="search")
    owners = {
        "tenant": (ann.tenant_id, None),
        "team": (ann.team_id, "search"),
        "user": (ann.user_id, "ann"),
        "key": (ann.key_id, ann.key_id),
        "conversation": ("a chat of theirs", "a chat of theirs"),
    }
    for scope, (owner, name) in owners.items():
        asked = {**DAY, "scope": scope, "owner": owner if by == "id" else name}
        assert (await made(admin, **asked))["owner"] == owner


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"scope": "user"}, "owner"),
        ({"scope": "user", "owner": "nobody"}, "owner"),
        ({"scope": "team", "owner": "nobody"}, "owner"),
        ({"scope": "key", "owner": "nosuchkey"}, "owner"),
        ({"scope": "key", "owner": "foreign"}, "owner"),
        ({"owner": "other"}, "owner"),
        ({"scope": "conversation", "owner": "x" * 129}, "owner"),
        ({"period": "rolling"}, "rolling_hours"),
        ({"rolling_hours": 5}, "rolling_hours"),
        ({"period": "rolling", "rolling_hours": 0}, "rolling_hours"),
        ({"period": "hour"}, "period"),
        ({"limit_usd": 5}, "limit_usd"),
        ({"hard": "no"}, "hard"),
        ({"tenant_id": "other"}, "tenant_id"),
    ],
)
async def test_a_budget_that_cannot_be_is_refused(
    management: Management, change: dict[str, Any], param: str
) -> None:
    if change.get("owner") == "foreign":
        change = {**change, "owner": (await management.principal("ann", tenant="other")).key_id}
    admin = await management.admin()
    response = await admin.request("POST", "/v1/budgets", {**DAY, **change})
    assert (response.status, response.json()["error"]["param"]) == (400, param)
    assert await ids(admin) == set()


async def test_only_administrators_make_change_and_end_budgets(management: Management) -> None:
    admin, ann = await management.admin(), await management.client("ann")
    path = f"/v1/budgets/{(await made(admin, **DAY))['id']}"
    assert (await ann.request("POST", "/v1/budgets", DAY)).status == 403
    assert (await ann.request("PATCH", path, {"limit_usd": "1000"})).status == 403
    assert (await ann.request("DELETE", path)).status == 403
    assert (await admin.request("GET", path)).json()["limit_usd"] == "10"


async def test_a_budget_is_changed_and_ended(management: Management) -> None:
    admin = await management.admin()
    path = f"/v1/budgets/{(await made(admin, **DAY))['id']}"
    changed = (await admin.request("PATCH", path, {"limit_usd": "0.000000000001", "hard": False})).json()
    assert (changed["limit_usd"], changed["hard"], changed["name"]) == ("0.000000000001", False, "")
    assert (await admin.request("PATCH", path, {"period": "week"})).status == 400
    ended = (await admin.request("DELETE", path)).json()
    assert ended["ended_at"] is not None
    assert (await admin.request("DELETE", path)).json() == (await admin.request("GET", path)).json() == ended
    assert (await admin.request("PATCH", path, {"limit_usd": "1"})).status == 404
    assert await ids(admin) == set()
    assert await ids(admin, "?ended=true") == {ended["id"]}


async def test_who_sees_which_budgets(management: Management) -> None:
    admin = await management.admin()
    ann = await management.principal("ann", team="search")
    bob = await management.principal("bob")
    mine = {
        (await made(admin, **{**DAY, "scope": scope, "owner": owner}))["id"]
        for scope, owner in (("tenant", None), ("team", "search"), ("user", "ann"), ("key", ann.key_id))
    }
    his = (await made(admin, **{**DAY, "scope": "user", "owner": "bob"}))["id"]
    talk = (await made(admin, **{**DAY, "scope": "conversation", "owner": "a chat"}))["id"]
    assert await ids(management.client_of(ann)) == mine
    assert await ids(admin) == {*mine, his, talk}
    assert await ids(admin, "?scope=user&owner=bob") == {his}
    assert await ids(management.client_of(ann), "?scope=user&owner=bob") == set()
    assert await ids(management.client_of(bob), f"?scope=user&owner={bob.user_id}") == {his}
    foreign = await management.admin(tenant="other")
    assert await ids(foreign) == set()
    for client, budget_id, status in [
        (management.client_of(ann), his, 404),
        (management.client_of(ann), talk, 404),
        (management.client_of(bob), his, 200),
        (foreign, his, 404),
        (admin, "00000000-0000-0000-0000-000000000000", 404),
        (admin, "1", 400),
    ]:
        for end in ("", "/status", "/report"):
            assert (await client.request("GET", f"/v1/budgets/{budget_id}{end}")).status == status
    for method in ("PATCH", "DELETE"):
        assert (await foreign.request(method, f"/v1/budgets/{his}", {})).status == (404)


async def test_budgets_come_in_pages(management: Management) -> None:
    admin = await management.admin()
    every = {(await made(admin, **DAY))["id"] for _ in range(5)}
    for client in (admin, await management.client("ann")):
        first = (await client.request("GET", "/v1/budgets?limit=3")).json()
        rest = (await client.request("GET", f"/v1/budgets?limit=3&after={first['data'][-1]['id']}")).json()
        assert (first["has_more"], rest["has_more"]) == (True, False)
        assert [b["id"] for b in [*first["data"], *rest["data"]]] == sorted(every)


async def test_a_status_says_what_is_gone_and_where_it_leads(management: Management) -> None:
    admin = await management.admin()
    ann = await management.principal("ann")
    budget = await made(admin, **{**DAY, "scope": "user", "owner": "ann"})
    owners = Owners(tenant_id=ann.tenant_id, user_id=ann.user_id)
    management.budgets.spend(owners, 8 * PICO_PER_USD + 1)
    management.budgets.hold(owners, PICO_PER_USD)
    path = f"/v1/budgets/{budget['id']}/status"
    status = (await management.client_of(ann).request("GET", f"{path}?estimated_usd=0.99")).json()
    assert status.pop("budget") == budget
    assert status == {
        "object": "budget_status",
        "available": True,
        "remaining_usd": "0.999999999999",
        "percentage_used": 80.0,
        "alert_level": "warning",
        "projected_overage_usd": "6.000000000002",
        "spent_usd": "8.000000000001",
        "held_usd": "1",
        "limit_usd": "10",
        "window_start": "2026-11-25T00:00:00Z",
        "window_end": "2026-11-26T00:00:00Z",
    }
    refused = (await management.client_of(ann).request("GET", f"{path}?estimated_usd=1")).json()
    assert refused["available"] is False


async def test_a_report_goes_window_by_window(management: Management) -> None:
    admin = await management.admin()
    ann = await management.principal("ann")
    budget = await made(admin, **DAY)
    for usd in (3, 10, 5):
        management.budgets.spend(Owners(tenant_id=ann.tenant_id), usd * PICO_PER_USD)
        management.pass_time(days=1)
    path = f"/v1/budgets/{budget['id']}/report"
    report = (await admin.request("GET", path)).json()
    assert [window["counted_usd"] for window in report["windows"]] == ["5", "10", "3"]
    assert (report["posted_usd"], report["average_usd"], report["exhausted"]) == ("18", "6", 1)
    assert report["peak"]["window_start"] == "2026-11-26T00:00:00Z"
    assert report["status"]["spent_usd"] == "0"
    some = await admin.request("GET", f"{path}?since=2026-11-26T00:00:00Z&until=2026-11-27T00:00:00Z")
    assert [window["counted_usd"] for window in some.json()["windows"]] == ["10"]


async def test_me_is_who_calls_and_what_they_may_still_spend(management: Management) -> None:
    admin = await management.admin()
    ann = await management.principal("ann", team="search", scopes=("chat",))
    wide = await made(admin, **DAY)
    tight = await made(admin, **{**DAY, "scope": "user", "owner": "ann", "limit_usd": "1"})
    soft = await made(admin, **{**DAY, "scope": "team", "owner": "search", "limit_usd": "0", "hard": False})
    me = (await management.client_of(ann).request("GET", "/v1/me")).json()
    assert [status["budget"]["id"] for status in me.pop("budgets")] == [tight["id"], wide["id"], soft["id"]]
    assert me == {
        "object": "principal",
        "tenant_id": ann.tenant_id,
        "user_id": ann.user_id,
        "team_id": ann.team_id,
        "key_id": ann.key_id,
        "roles": [],
        "scopes": ["chat"],
    }
