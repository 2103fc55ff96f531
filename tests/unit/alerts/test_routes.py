"""`/v1/events` and `/v1/alerts/channels` as an administrator sees them, and nobody else."""

from typing import Any
from uuid import uuid4

import pytest

from deployments.api.management.alerts import router
from deployments.api.management.app import create_management
from models.alerts import AlertChannels, InMemoryChannelStore, webhook_secret
from models.events import InMemoryEventLog
from models.identity import ADMIN, Principal
from models.net import Egress
from tests.asgi import Client
from tests.unit.api.management import As

PEPPER = bytes(range(32))
BUDGET = str(uuid4())
HOOK = {"kind": "webhook", "target": "https://hooks.example.com/x"}
CHANNELS = "/v1/alerts/channels"


class Stage:
    def __init__(self, *, mail: bool = True) -> None:
        self.store = InMemoryChannelStore(budgets={BUDGET: "acme"})
        self.log = InMemoryEventLog()
        self.app = create_management(
            [router(AlertChannels(self.store, pepper=PEPPER, egress=Egress(), mail=mail), self.log)]
        )

    def client(self, *roles: str, tenant: str = "acme") -> Client:
        return Client(As(self.app, Principal("k", "u", tenant, roles=frozenset(roles))))

    @property
    def admin(self) -> Client:
        return self.client(ADMIN)


async def test_a_channel_is_made_and_its_secret_shown() -> None:
    stage = Stage()
    made = await stage.admin.request(
        "POST", CHANNELS, {**HOOK, "min_severity": "warning", "budget_id": BUDGET}
    )
    assert made.status == 201
    body = made.json()
    channel_id = body["id"]
    assert body.pop("created_at").endswith("Z")
    secret = webhook_secret(channel_id, pepper=PEPPER)
    assert body == {
        "object": "alert_channel",
        "id": channel_id,
        "kind": "webhook",
        "target": "https://hooks.example.com/x",
        "min_severity": "warning",
        "budget_id": BUDGET,
        "secret": secret,
    }
    listed = (await stage.admin.request("GET", CHANNELS)).json()
    assert [channel["id"] for channel in listed["data"]] == [channel_id]
    assert "secret" not in listed["data"][0]
    shown = await stage.admin.request("GET", f"{CHANNELS}/{channel_id}/secret")
    assert shown.json() == {"id": channel_id, "secret": secret}
    tested = await stage.admin.request("POST", f"{CHANNELS}/{channel_id}/test")
    assert tested.status == 202
    assert stage.store.tests == [(channel_id, tested.json()["event_id"])]
    deleted = await stage.admin.request("DELETE", f"{CHANNELS}/{channel_id}")
    assert deleted.json() == {"id": channel_id, "deleted": True}
    assert (await stage.admin.request("GET", CHANNELS)).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"kind": "webhook", "target": "http://hooks.example.com"}, 400, "target"),
        ({"kind": "webhook", "target": "https://127.0.0.1/"}, 400, "target"),
        ({"kind": "webhook", "target": "https://x/" + "y" * 3_000}, 400, "target"),
        ({"kind": "email", "target": "a@b.c\r\nBcc: d@e.f"}, 400, "target"),
        ({"kind": "pager", "target": "x"}, 400, "kind"),
        ({**HOOK, "min_severity": "fatal"}, 400, "min_severity"),
        ({**HOOK, "tenant_id": "other"}, 400, "tenant_id"),
        ({**HOOK, "budget_id": str(uuid4())}, 404, "budget_id"),
        ({**HOOK, "budget_id": "x"}, 400, "budget_id"),
    ],
)
async def test_a_channel_that_makes_no_sense_is_refused(
    body: dict[str, Any], status: int, param: str
) -> None:
    stage = Stage()
    response = await stage.admin.request("POST", CHANNELS, body)
    assert response.status == status
    assert response.json()["error"]["param"] == param
    assert await stage.store.list("acme") == []


async def test_mail_takes_a_server() -> None:
    response = await Stage(mail=False).admin.request("POST", CHANNELS, {"kind": "email", "target": "a@b.c"})
    assert response.status == 400
    assert "mail server" in response.json()["error"]["message"]


ROUTES = [
    ("GET", "/v1/events"),
    ("GET", CHANNELS),
    ("POST", CHANNELS),
    ("DELETE", f"{CHANNELS}/{BUDGET}"),
    ("GET", f"{CHANNELS}/{BUDGET}/secret"),
    ("POST", f"{CHANNELS}/{BUDGET}/test"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_e10_only_administrators_may(method: str, path: str) -> None:
    response = (
        await Stage().client().request(method, path, HOOK if path == CHANNELS and method == "POST" else b"")
    )
    assert response.status == 403


@pytest.mark.parametrize(("method", "suffix"), [("DELETE", ""), ("GET", "/secret"), ("POST", "/test")])
async def test_e10_another_tenants_channel_does_not_exist(method: str, suffix: str) -> None:
    stage = Stage()
    made = await stage.admin.request("POST", CHANNELS, HOOK)
    foreign = stage.client(ADMIN, tenant="other")
    response = await foreign.request(method, f"{CHANNELS}/{made.json()['id']}{suffix}")
    assert response.status == 404
    assert (await foreign.request("GET", CHANNELS)).json()["data"] == []
    assert len(await stage.store.list("acme")) == 1


async def test_events_are_paged_and_filtered() -> None:
    stage = Stage()
    for n in range(5):
        severity = "critical" if n % 2 else "info"
        await stage.log.append(f"k{n % 2}", severity=severity, tenant_id="acme", payload={"n": n})  # type: ignore[arg-type]
    await stage.log.append("k0", severity="info", tenant_id="other")
    first = (await stage.admin.request("GET", "/v1/events?limit=2")).json()
    assert [event["payload"]["n"] for event in first["data"]] == [4, 3]
    assert first["has_more"]
    rest = (await stage.admin.request("GET", f"/v1/events?after={first['data'][-1]['id']}")).json()
    assert [event["payload"]["n"] for event in rest["data"]] == [2, 1, 0]
    assert not rest["has_more"]
    for query, numbers in (
        ("kind=k1", [3, 1]),
        ("severity=info", [4, 2, 0]),
        ("since=2999-01-01T00:00:00Z", []),
    ):
        found = (await stage.admin.request("GET", f"/v1/events?{query}")).json()
        assert [event["payload"]["n"] for event in found["data"]] == numbers


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "after=x", "since=yesterday", "severity=bad", "tenant=x"]
)
async def test_a_query_that_makes_no_sense_is_refused(query: str) -> None:
    assert (await Stage().admin.request("GET", f"/v1/events?{query}")).status == 400
