"""`/v1/usage`, `/v1/recommendations`, `/api/chat/cost-estimate`, over a store that says what it is told."""

import csv
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest

from deployments.api.management import estimate, usage
from deployments.api.management.app import create_management
from models.errors import Overloaded
from models.identity import Authenticator, InMemoryKeyStore, KeyRing, Principal
from models.ledger.budget_memory import InMemoryBudgetStore
from models.ledger.budgets import BudgetManager
from models.reports import CachedHistory, CostEstimator, CostOptimizer, Owner, TimeRange
from models.reports.doubles import ScriptedReports
from models.reports.rows import OutputLengths
from models.reports.selection import UsageQuery
from models.reports.time_range import begin_of
from models.reports.totals import Cell, Totals
from tests.asgi import Client
from tests.unit.api.management import PEPPER, As
from tests.unit.reports.made_up import CATALOG, EVERY, NOW, USD, outcome, reckon
from tests.unit.reports.test_estimate import count_input, held

DAY = timedelta(days=1)
ESTIMATE = "/api/chat/cost-estimate"


class Surface:
    def __init__(self) -> None:
        self.store = ScriptedReports()
        self.keys = InMemoryKeyStore()
        optimizer = CostOptimizer(
            self.store,
            budgets=BudgetManager(InMemoryBudgetStore(clock=lambda: NOW)),
            catalog=lambda: CATALOG,
            available=lambda: EVERY,
            reckon=reckon,
            clock=lambda: NOW,
        )
        estimator = CostEstimator(
            catalog=lambda: CATALOG,
            available=lambda: EVERY,
            history=CachedHistory(self.store, clock=lambda: NOW),
            count_input=count_input,
            ceiling=held,
            reckon=reckon,
            clock=lambda: NOW,
            misfit=lambda *_: None,
        )
        routers = [usage.router(optimizer, self.keys, clock=lambda: NOW), estimate.router(estimator)]
        self.app = create_management(routers)

    async def principal(self, user: str = "ann", *, tenant: str = "acme", **key: Any) -> Principal:
        issued = await KeyRing(self.keys, PEPPER).create_key(user, tenant=tenant, **key)
        return await Authenticator(self.keys, PEPPER).authenticate(issued.key)

    def client(self, principal: Principal | None) -> Client:
        return Client(As(self.app, principal))

    @property
    def asked(self) -> UsageQuery:
        query = self.store.asked[-1]
        assert isinstance(query, UsageQuery)
        return query


@pytest.fixture
def surface() -> Surface:
    return Surface()


@pytest.fixture
async def admin(surface: Surface) -> Client:
    return surface.client(await surface.principal("root", roles=("admin",)))


@pytest.fixture
async def ann(surface: Surface) -> Client:
    return surface.client(await surface.principal("ann", team="search"))


def cell(days_ago: int, model_id: str, spend: int) -> Cell:
    start = begin_of("day", NOW) - days_ago * DAY
    return Cell(
        time_range=TimeRange(start, start + DAY),
        key=(("model", model_id),),
        totals=Totals(calls=3, requests=2, spend_pico=spend, input_tokens=10, output_tokens=5),
    )


async def test_usage_is_told_by_bucket_and_group_in_exact_dollars(surface: Surface, admin: Client) -> None:
    surface.store.cells = [
        cell(1, "big", 3 * USD),
        cell(0, "=evil", 1),
        Cell(
            time_range=TimeRange(NOW - 40 * DAY, NOW - 24 * DAY),
            key=(("model", "big"),),
            totals=Totals(calls=2, spend_pico=2 * USD),
        ),
    ]
    surface.store.daily_pico = [USD] * 56
    answer = await admin.request("GET", "/v1/usage?group_by=model&compare=true&forecast=true")
    assert answer.status == 200
    report = answer.json()
    assert (report["start"], report["end"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert report["until"] == "2026-11-24T12:00:00Z"
    assert report["totals"]["spend_usd"] == "3.000000000001"
    assert report["totals"]["tokens"]["input"] == 20
    assert [(g["key"], g["totals"]["spend_usd"], g["change"]["spend"]) for g in report["groups"]] == [
        ({"model": "big"}, "3", 0.5),
        ({"model": "=evil"}, "0.000000000001", None),
    ]
    assert [(c["start"], c["key"]["model"]) for c in report["series"]] == [
        ("2026-11-23T00:00:00Z", "big"),
        ("2026-11-24T00:00:00Z", "=evil"),
    ]
    assert report["previous"]["totals"]["spend_usd"] == "2"
    assert report["forecast"]["expected_usd"] == "9.500000000001"
    assert report["forecast"]["confidence"] == 0.8


async def test_csv_is_a_file_without_formulas(surface: Surface, admin: Client) -> None:
    surface.store.cells = [cell(1, "big", 3 * USD), cell(0, "=evil", 1)]
    answer = await admin.request("GET", "/v1/usage?group_by=model&format=csv&start=2026-11-01")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="usage_2026-11-01_2026-12-01.csv"'
    rows = list(csv.DictReader(StringIO(answer.body.decode(), newline="")))
    assert [(row["model"], row["spend_usd"]) for row in rows] == [("big", "3"), ("'=evil", "0.000000000001")]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())


async def test_what_is_asked_for_reaches_the_store(surface: Surface, admin: Client) -> None:
    team = await surface.keys.add_team((await surface.principal("bob")).tenant_id, "search")
    bob = await surface.principal("bob")
    wanted = [
        ("start", "2026-10-01"),
        ("end", "2026-11-01T06:00:00Z"),
        ("bucket", "week"),
        ("group_by", "user,model"),
        ("group_by", "status"),
        ("groups", "5"),
        ("model", "big"),
        ("model", "mid"),
        ("user", "bob"),
        ("team", "search"),
        ("conversation", "a, b"),
        ("status", "failed"),
        ("endpoint", "/v1/messages"),
    ]
    answer = await admin.request("GET", f"/v1/usage?{urlencode(wanted)}")
    assert answer.status == 200
    asked = surface.asked
    assert (asked.time_range.start.isoformat(), asked.time_range.end.isoformat()) == (
        "2026-10-01T00:00:00+00:00",
        "2026-11-01T06:00:00+00:00",
    )
    assert (asked.bucket, asked.group_by, asked.groups) == ("week", ("model", "user", "status"), 5)
    selection = asked.selection
    assert (selection.tenant_id, selection.models) == (bob.tenant_id, ("big", "mid"))
    assert (selection.users, selection.teams) == ((bob.user_id,), (team.id,))
    assert (selection.conversations, selection.statuses) == (("a, b",), ("failed",))
    assert selection.endpoints == ("/v1/messages",)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
        ("start=2026-11-20", "2026-11-20T00:00:00", "2026-12-01T00:00:00"),
        ("end=2026-11-01", "2026-10-01T00:00:00", "2026-11-01T00:00:00"),
        ("end=2026-10-15T12:00:00%2B02:00", "2026-10-01T00:00:00", "2026-10-15T10:00:00"),
        ("start=2026-12-24", "2026-12-24T00:00:00", "2027-01-01T00:00:00"),
    ],
)
async def test_the_month_is_what_is_reported_unasked(
    surface: Surface, admin: Client, wanted: str, start: str, end: str
) -> None:
    assert (await admin.request("GET", f"/v1/usage?{wanted}")).status == 200
    asked = surface.asked.time_range
    assert (asked.start.isoformat(), asked.end.isoformat()) == (f"{start}+00:00", f"{end}+00:00")


async def test_an_administrator_sees_the_tenant_and_others_themselves(
    surface: Surface, admin: Client, ann: Client
) -> None:
    own = await surface.principal("ann")
    for client, users in ((admin, ()), (ann, (own.user_id,))):
        assert (await client.request("GET", "/v1/usage?group_by=user")).status == 200
        assert (surface.asked.selection.tenant_id, surface.asked.selection.users) == (own.tenant_id, users)


async def test_an_administrators_key_for_other_uses_sees_only_its_user(surface: Surface) -> None:
    root = await surface.principal("root", roles=("admin",), scopes=("chat",))
    await surface.client(root).request("GET", "/v1/usage")
    assert surface.asked.selection.users == (root.user_id,)


@pytest.mark.parametrize("user", ["bob", "nobody", "root"])
@pytest.mark.parametrize("path", ["/v1/usage", "/v1/recommendations"])
async def test_nobody_sees_another(surface: Surface, ann: Client, path: str, user: str) -> None:
    await surface.principal("bob")
    await surface.principal("root", roles=("admin",))
    answer = await ann.request("GET", f"{path}?user={user}")
    assert (answer.status, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert surface.store.asked == []


async def test_one_may_name_oneself(surface: Surface, ann: Client) -> None:
    assert (await ann.request("GET", "/v1/usage?user=ann")).status == 200
    assert (await ann.request("GET", "/v1/recommendations?user=ann")).status == 200
    own = await surface.principal("ann")
    assert surface.store.asked[-1] == Owner(own.tenant_id, own.user_id)


async def test_another_tenants_user_is_not_known(surface: Surface, admin: Client) -> None:
    other = await surface.principal("eve", tenant="umbrella")
    for name in ("eve", other.user_id):
        answer = await admin.request("GET", f"/v1/usage?user={name}")
        assert (answer.status, answer.json()["error"]["param"]) == (400, "user")


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ("colour=red", "colour"),
        ("bucket=minute", "bucket"),
        ("group_by=model,colour", "group_by.1"),
        ("start=yesterday", "start"),
        ("start=2026-11-01T00:00:00", "start"),
        ("start=2026-11-02&end=2026-11-01", "start"),
        ("start=2020-01-01", "start"),
        ("end=9999-12-31", "end"),
        ("start=9999-12-31T23:59:59Z", "start"),
        ("start=0001-01-01T00:00:00%2B14:00", "start"),
        ("groups=0", "groups"),
        ("status=lost", "status.0"),
        ("model=%00", "model.0"),
        ("format=xml", "format"),
        ("team=nowhere", "team"),
    ],
)
async def test_what_is_not_understood_is_refused(admin: Client, wanted: str, param: str) -> None:
    answer = await admin.request("GET", f"/v1/usage?{wanted}")
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)


async def test_nothing_is_told_to_nobody(surface: Surface) -> None:
    for path in ("/v1/usage", "/v1/recommendations", f"{ESTIMATE}?message=hi"):
        assert (await surface.client(None).request("GET", path)).status == 401


async def test_a_store_that_is_away_is_503(surface: Surface, admin: Client) -> None:
    surface.store.away = Overloaded("away")
    assert (await admin.request("GET", "/v1/usage")).status == 503


async def test_recommendations_show_their_arithmetic(surface: Surface, admin: Client) -> None:
    surface.store.ended = [
        outcome("completed", 3 * USD),
        outcome("failed", USD, error_code="provider_timeout"),
    ]
    answer = await admin.request("GET", "/v1/recommendations?start=2026-11-09T12:00:00Z")
    found = answer.json()
    assert (found["start"], found["end"]) == ("2026-11-09T12:00:00Z", "2026-11-24T12:00:00Z")
    assert (found["spend_usd"], found["price_snapshot"]) == ("4", "a snapshot")
    (advice,) = found["data"]
    assert (advice["kind"], advice["savings_usd"], advice["savings_30_days_usd"]) == (
        "unfinished_calls",
        "1",
        "2",
    )
    assert advice["arithmetic"][-1] == {"label": "Saved", "value": "$1.00"}
    assert "do not add up" in found["note"]


@pytest.mark.parametrize("name", ["modelId", "model_id"])
async def test_a_message_is_estimated_for_a_model(surface: Surface, ann: Client, name: str) -> None:
    own = await surface.principal("ann")
    surface.store.lengths = {
        Owner(own.tenant_id, own.user_id): [
            OutputLengths(model_id="mid", calls=50, p10=10, mean=100, p90=1_000)
        ]
    }
    answer = await ann.request("GET", f"{ESTIMATE}?{urlencode({'message': 'two words', name: 'mid'})}")
    found = answer.json()
    assert found.pop("assumptions")
    assert found == {
        "modelId": "mid",
        "provider": "openai",
        "inputTokens": 2,
        "outputTokens": {"low": 10, "expected": 100, "high": 1000},
        "costUsd": {"low": "0.000104", "expected": "0.001004", "high": "0.010004"},
        "maximumUsd": "1000.00000001",
        "priceSnapshot": "a snapshot",
    }


@pytest.mark.parametrize("model", ["", "&modelId=auto", "&modelId=auto:cheap"])
async def test_without_a_model_all_are_estimated(ann: Client, model: str) -> None:
    answer = await ann.request("GET", f"{ESTIMATE}?message=hello{model}")
    found = answer.json()["estimates"]
    assert [one["modelId"] for one in found] == ["tiny", "small", "mid", "big"]


async def test_a_whole_chat_body_is_estimated(ann: Client) -> None:
    body = {
        "model": "mid",
        "max_tokens": 100,
        "messages": [
            {"role": "user", "content": "one two three"},
            {"role": "assistant", "content": "four"},
            {"role": "user", "content": "five"},
        ],
    }
    found = (await ann.request("POST", ESTIMATE, body)).json()
    assert (found["inputTokens"], found["outputTokens"]["high"]) == (5, 100)
    every = (await ann.request("POST", ESTIMATE, {**body, "model": "auto"})).json()
    assert len(every["estimates"]) == 4


@pytest.mark.parametrize(
    ("wanted", "status", "param"),
    [
        ("", 400, "message"),
        ("?message=", 400, "message"),
        ("?message=hi&modelId=mid&model_id=big", 400, None),
        ("?message=hi&modelId=no-such", 404, "model"),
        ("?message=hi&temperature=1", 400, "temperature"),
        (f"?message={'w+' * 50_001}&modelId=small", 400, "message"),
    ],
)
async def test_an_estimate_of_nothing_is_refused(
    ann: Client, wanted: str, status: int, param: str | None
) -> None:
    answer = await ann.request("GET", ESTIMATE + wanted)
    assert answer.status == status
    if param:
        assert answer.json()["error"]["param"] == param


async def test_a_body_that_is_no_chat_request_is_refused(ann: Client) -> None:
    answer = await ann.request("POST", ESTIMATE, {"model": "mid"})
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_request")


async def test_the_routes_are_described(surface: Surface) -> None:
    paths = surface.app.openapi()["paths"]
    assert set(paths) == {"/v1/usage", "/v1/recommendations", ESTIMATE}
    assert set(paths["/v1/usage"]["get"]["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    assert set(paths[ESTIMATE]) == {"get", "post"}
