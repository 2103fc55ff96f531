"""`/v1/requests`: what became of a request, told to whom it belongs."""

from datetime import timedelta
from typing import Any

import pytest

from models.identity import Principal
from models.ledger import UsageRecord
from models.ledger.requests import Movement, OpenHold, Trail
from tests.unit.api.management import NOON, Management


def attempt(caller: Principal, request_id: str = "req_a", **changes: Any) -> UsageRecord:
    fields: dict[str, Any] = {
        "request_id": request_id,
        "attempt": 0,
        "tenant_id": caller.tenant_id,
        "user_id": caller.user_id,
        "team_id": caller.team_id,
        "key_id": caller.key_id,
        "conversation_id": "a chat",
        "model_id": "claude-sonnet-5",
        "requested_model": "auto",
        "provider": "anthropic",
        "endpoint": "/v1/chat/completions",
        "task": "code",
        "stream": True,
        "status": "completed",
        "input_tokens": 100,
        "cache_read_tokens": 20,
        "cache_write_5m_tokens": 3,
        "cache_write_1h_tokens": 4,
        "output_tokens": 50,
        "reasoning_tokens": 6,
        "service_tier": "standard",
        "cost_pico": 1_500_000_000,
        "discount_pico": 500_000_000,
        "saved_pico": 7,
        "price_snapshot": "abc",
        "estimated": False,
        "response_time_ms": 900,
        "first_token_ms": 200,
        "created_at": NOON,
    }
    return UsageRecord(**{**fields, **changes})


def movement(**changes: Any) -> Movement:
    fields: dict[str, Any] = {
        "op_key": "req_a/0",
        "kind": "reserve",
        "amount_pico": 2_000_000_000,
        "posted_pico": 0,
        "price_snapshot": "",
        "estimated": False,
        "at": NOON,
    }
    return Movement(**{**fields, **changes})


@pytest.fixture
def management() -> Management:
    return Management()


async def test_a_request_is_told_attempt_by_attempt_and_transfer_by_transfer(management: Management) -> None:
    ann = await management.principal("ann", team="search")
    failed = attempt(
        ann,
        model_id="gpt-6.1-sol",
        provider="openai",
        status="failed",
        cost_pico=0,
        discount_pico=0,
        saved_pico=0,
        error_code="provider_timeout",
        estimated=True,
        first_token_ms=None,
    )
    answered = attempt(ann, attempt=1, created_at=NOON + timedelta(seconds=1))
    management.log.trails.append(
        Trail(
            request_id="req_a",
            attempts=(failed, answered),
            movements=(
                movement(),
                movement(op_key="req_a/0:end", kind="release", amount_pico=0),
                movement(op_key="req_a/1"),
                movement(
                    op_key="req_a/1:end",
                    kind="settle",
                    amount_pico=1_500_000_000,
                    posted_pico=1_500_000_000,
                    price_snapshot="abc",
                ),
            ),
        )
    )
    told = (await management.client_of(ann).request("GET", "/v1/requests/req_a")).json()
    first, second = told.pop("attempts")
    transfers = told.pop("transfers")
    assert told == {
        "object": "request",
        "id": "req_a",
        "status": "completed",
        "requested_model": "auto",
        "model": "claude-sonnet-5",
        "provider": "anthropic",
        "endpoint": "/v1/chat/completions",
        "stream": True,
        "task": "code",
        "user_id": ann.user_id,
        "team_id": ann.team_id,
        "key_id": ann.key_id,
        "conversation_id": "a chat",
        "created_at": "2026-11-25T12:00:00Z",
        "cost_usd": "0.0015",
        "discount_usd": "0.0005",
        "saved_usd": "0.000000000007",
        "estimated": True,
        "in_flight": [],
        "decision": None,
    }
    assert second == {
        "attempt": 1,
        "model": "claude-sonnet-5",
        "provider": "anthropic",
        "status": "completed",
        "input_tokens": 100,
        "cache_read_tokens": 20,
        "cache_write_5m_tokens": 3,
        "cache_write_1h_tokens": 4,
        "output_tokens": 50,
        "reasoning_tokens": 6,
        "service_tier": "standard",
        "cost_usd": "0.0015",
        "discount_usd": "0.0005",
        "saved_usd": "0.000000000007",
        "estimated": False,
        "price_snapshot": "abc",
        "started_at": "2026-11-25T12:00:01Z",
        "response_time_ms": 900,
        "first_token_ms": 200,
        "error": None,
    }
    assert (first["status"], first["error"], first["cost_usd"]) == ("failed", "provider_timeout", "0")
    assert [(t["attempt"], t["kind"], t["amount_usd"], t["posted_usd"]) for t in transfers] == [
        (0, "reserve", "0.002", "0"),
        (0, "release", "0", "0"),
        (1, "reserve", "0.002", "0"),
        (1, "settle", "0.0015", "0.0015"),
    ]


async def test_a_request_under_way_shows_what_is_held_for_it(management: Management) -> None:
    ann = await management.principal("ann")
    hold = OpenHold(amount_pico=2_000_000_000, record=attempt(ann, status="expired"))
    failed = attempt(ann, status="failed", cost_pico=0)
    trail = Trail(request_id="req_a", attempts=(failed,), holds=(hold,), movements=(movement(),))
    management.log.trails.append(trail)
    told = (await management.client_of(ann).request("GET", "/v1/requests/req_a")).json()
    assert (told["status"], told["cost_usd"]) == ("in_flight", "0")
    assert [(held["model"], held["held_usd"]) for held in told["in_flight"]] == [("claude-sonnet-5", "0.002")]


async def test_who_sees_which_requests(management: Management) -> None:
    ann, bob = await management.principal("ann"), await management.principal("bob")
    foreign = await management.principal("ann", tenant="other")
    for caller, name in ((ann, "req_ann"), (bob, "req_bob"), (foreign, "req_foreign")):
        management.log.trails.append(Trail(request_id=name, attempts=(attempt(caller, name),)))
    admin = await management.admin()
    for client, name, status in [
        (management.client_of(ann), "req_ann", 200),
        (management.client_of(ann), "req_bob", 404),
        (management.client_of(ann), "req_foreign", 404),
        (admin, "req_bob", 200),
        (admin, "req_foreign", 404),
        (admin, "req_none", 404),
        (admin, "no%20id", 400),
    ]:
        assert (await client.request("GET", f"/v1/requests/{name}")).status == status
    listed = (await management.client_of(ann).request("GET", "/v1/requests")).json()
    assert [request["id"] for request in listed["data"]] == ["req_ann"]
    every = (await admin.request("GET", "/v1/requests")).json()
    assert {request["id"] for request in every["data"]} == {"req_ann", "req_bob"}


async def test_requests_come_newest_first_in_pages(management: Management) -> None:
    ann = await management.principal("ann")
    client = management.client_of(ann)
    for number in range(5):
        at = NOON + timedelta(minutes=number // 2)
        name = f"req_{number}"
        trail = Trail(request_id=name, attempts=(attempt(ann, name, created_at=at),))
        management.log.trails.append(trail)
    first = (await client.request("GET", "/v1/requests?limit=3")).json()
    rest = (await client.request("GET", "/v1/requests?limit=3&after=req_2")).json()
    assert [request["id"] for request in first["data"]] == ["req_4", "req_3", "req_2"]
    assert [request["id"] for request in rest["data"]] == ["req_1", "req_0"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    unknown = await client.request("GET", "/v1/requests?after=req_9")
    assert (unknown.status, unknown.json()["error"]["param"]) == (400, "after")
