"""What holds for every route of the management surface: errors, limits, and that nobody is let in unnamed."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Path

from deployments.api.management.access import Admin, Caller
from deployments.api.management.app import MAX_BODY_BYTES, create_management
from deployments.api.management.fields import In, Name, Usd
from models.errors import BudgetHeld, Internal, NotFound, Overloaded, PolyvoxError
from models.identity import Principal
from tests.asgi import Client
from tests.unit.api.management import As, Management

ANN = Principal("k", "u", "t")


class Thing(In):
    name: Name
    price_usd: Usd = "0"


def raising(error: Exception) -> Client:
    async def raises(_: Caller) -> None:
        raise error

    router = APIRouter()
    router.add_api_route("/v1/thing", raises, methods=["GET"])
    return Client(As(create_management([router]), ANN))


def things() -> Client:
    async def make(_: Caller, body: Thing) -> Thing:
        return body

    async def get(_: Admin, number: Annotated[int, Path(ge=1)]) -> int:
        return number

    router = APIRouter()
    router.add_api_route("/v1/things", make, methods=["POST"])
    router.add_api_route("/v1/things/{number}", get, methods=["GET"])
    return Client(As(create_management([router]), ANN))


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (NotFound("no such thing", param="id"), 404, "not_found", {}),
        (Overloaded("away"), 503, "overloaded", {"retry-after": "1"}),
        (
            BudgetHeld("held", retry_after_s=2.0),
            402,
            "in_flight_budget_exhausted",
            {"retry-after": "2", "retry-after-ms": "2000"},
        ),
    ],
)
async def test_an_error_of_the_tree_is_answered_as_everywhere(
    error: PolyvoxError, status: int, code: str, headers: dict[str, str]
) -> None:
    response = await raising(error).request("GET", "/v1/thing")
    said = response.json()["error"]
    assert (response.status, said["code"], said["message"]) == (status, code, error.message)
    assert said["param"] == error.param
    assert headers.items() <= response.headers.items()
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-polyvox-request-id"] == "req_1"


@pytest.mark.parametrize("error", [ValueError("secret of the house"), Internal("secret of the house")])
async def test_a_bug_is_a_plain_500_without_its_text(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    response = await raising(error).request("GET", "/v1/thing")
    assert response.status == 500
    assert response.json()["error"]["message"] == "internal error"
    assert "secret" not in response.body.decode()
    assert "secret of the house" in caplog.text


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        (b"{", None, "not JSON"),
        (b"\xff", None, "cannot be read"),
        (b"[" * 100_000, None, ""),
        (b"", "body", "required"),
        (b"[]", "body", "dictionary"),
        (b"{}", "name", "required"),
        (b'{"name":""}', "name", "at least 1"),
        (b'{"name":"a\\u0000b"}', "name", "pattern"),
        (b'{"name":"a\\ud800b"}', "name", "unicode"),
        (b'{"name":"a","tenant_id":"other"}', "tenant_id", "not permitted"),
        (b'{"name":"a","price_usd":1.5}', "price_usd", "string"),
        (b'{"name":"a","price_usd":"1e5"}', "price_usd", "pattern"),
        (b'{"name":"a","price_usd":"-1"}', "price_usd", "pattern"),
        (b'{"name":"a","price_usd":"0.0000000000001"}', "price_usd", "pattern"),
    ],
)
async def test_e11_a_body_that_is_not_what_the_route_takes_is_refused_with_the_field(
    body: bytes, param: str | None, says: str
) -> None:
    response = await things().request("POST", "/v1/things", body)
    said = response.json()["error"]
    assert (response.status, said["code"], said["type"]) == (400, "invalid_request", "invalid_request_error")
    assert said["param"] == param
    assert says in said["message"]


async def test_e4_a_body_beyond_the_limit_is_not_read_on() -> None:
    client = things()
    response = await client.request("POST", "/v1/things", (b"x" * 65_536 for _ in range(200)))
    assert (response.status, response.json()["error"]["code"]) == (413, "payload_too_large")
    assert client.read == MAX_BODY_BYTES // 65_536 + 1
    assert response.headers["connection"] == "close"


async def test_a_body_in_parts_is_one_body() -> None:
    response = await things().request("POST", "/v1/things", [b'{"na', b'me":', b'"a"}'])
    assert response.json() == {"name": "a", "price_usd": "0"}
    assert response.headers["cache-control"] == "no-store"


async def test_a_client_that_leaves_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError(message)

    app = As(create_management([]), ANN)
    scope = {"type": "http", "method": "POST", "path": "/v1/things", "headers": [], "polyvox.request_id": "r"}
    await app(scope, receive, send)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/things/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("PUT", "/v1/things", 405, "method_not_allowed"),
        ("GET", "/v1/things/0", 403, "permission_denied"),
    ],
)
async def test_what_is_not_there_or_not_allowed(method: str, path: str, status: int, code: str) -> None:
    response = await things().request(method, path)
    assert (response.status, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


async def test_the_surface_describes_itself() -> None:
    client = await Management().client()
    described = (await client.request("GET", "/openapi.json")).json()
    assert {"/v1/keys", "/v1/teams", "/v1/budgets/{budget_id}/report", "/v1/me"} <= set(described["paths"])
    assert "additionalProperties" in described["components"]["schemas"]["KeyIn"]
    assert described["paths"]["/v1/me"]["get"]["security"] == [{"API key": []}]


async def test_e10_no_route_answers_a_caller_without_a_name() -> None:
    management = Management()
    nobody = management.client_of(None)
    paths: dict[str, dict[str, object]] = management.app.openapi()["paths"]
    operations = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(operations) >= 15
    for method, path in operations:
        response = await nobody.request(method, path.replace("{", "").replace("}", ""), b"{}")
        assert (response.status, response.json()["error"]["code"]) == (401, "invalid_api_key"), (method, path)
