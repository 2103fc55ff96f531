"""E-4, E-5: bodies that are too large, too deep, or no text get a typed answer, and nothing else happens."""

import json
from collections.abc import Iterator

import psutil
import pytest

from tests.fuzz.bodies import BODIES, DECODED_ALIKE, FLOODS, NEED_MORE, VAST, WHOLE, Route, variants
from tests.fuzz.surface import CONVERSATIONS, Surface
from tests.fuzz.wire import Answer, ask, raw

MEBI = 1024 * 1024
MAX_BODY = 10 * MEBI
MAX_GROWTH = 64 * MEBI
NAMED = {
    "model": "gemini-3.5-flash",
    "conversation_id": CONVERSATIONS[0],
    "budget_id": "6f0c5f0e-1b7a-4f63-9a55-0d8a3f6f2f10",
}

every_route = pytest.mark.parametrize("route", BODIES, ids=" ".join)


def path_of(route: Route, at: Surface) -> str:
    return route[1].format(**NAMED, key_id=at.admin.split("_")[1])


def assert_typed(answer: Answer, path: str, what: str) -> None:
    """A refusal, in the words of the route's dialect, or an answer."""
    assert 200 <= answer.status < 500, (what, answer)
    if answer.status >= 400:
        error = answer.json()["error"]
        assert isinstance(error["message"], str), what
        known = {"code", "type", "param"} if "models/" not in path else {"code", "status", "details"}
        known = {"type", "details"} if path.startswith("/v1/messages") else known
        assert known <= error.keys(), (what, error)


def assert_alive(at: Surface) -> None:
    assert ask(at.url, "GET", "/v1/models", key=at.admin).status == 200


def test_every_route_that_takes_json_has_a_body_here(at: Surface) -> None:
    paths = ask(at.url, "GET", "/openapi.json", key=at.admin).json()["paths"]
    taking = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert taking == BODIES.keys()


@every_route
def test_the_bodies_are_good_ones(at: Surface, route: Route) -> None:
    answer = ask(at.url, route[0], path_of(route, at), json.dumps(BODIES[route]).encode(), key=at.admin)
    assert answer.status in ((400, 404) if route in NEED_MORE else (200, 201)), answer


@every_route
def test_e4_a_body_that_is_wrong_as_a_whole(at: Surface, route: Route) -> None:
    for what, body in WHOLE.items():
        assert_typed(ask(at.url, route[0], path_of(route, at), body, key=at.admin), route[1], what)


@pytest.mark.parametrize("route", DECODED_ALIKE, ids=" ".join)
def test_e4_a_body_that_is_as_large_as_may_be(at: Surface, route: Route) -> None:
    for what, body in VAST.items():
        assert_typed(ask(at.url, route[0], path_of(route, at), body, key=at.admin), route[1], what)


@every_route
def test_e5_a_body_with_one_hostile_value(at: Surface, route: Route) -> None:
    path = path_of(route, at)
    for what, body in variants(BODIES[route]):
        assert_typed(ask(at.url, route[0], path, body, key=at.admin), path, what)


@pytest.mark.parametrize(("route", "body"), FLOODS, ids=lambda value: str(value)[:60])
def test_e4_a_million_mistakes_are_one(at: Surface, route: Route, body: bytes) -> None:
    answer = ask(at.url, route[0], path_of(route, at), body, key=at.admin)
    assert answer.status == 400
    assert_typed(answer, route[1], "a flood")
    assert len(answer.body) < 1_000


@pytest.mark.parametrize("number", [0, 2**31 - 2, 2**31 - 1, 2**63, -1])
def test_a_number_at_the_end_of_its_range_is_looked_up_or_refused(at: Surface, number: int) -> None:
    one = f"/v1/conversations/{CONVERSATIONS[0]}"
    for path in (
        f"{one}/messages?after={number}",
        f"{one}/messages?before={number}",
        f"{one}/messages?branch={number}",
        f"{one}/export?branch={number}",
        f"/v1/reconciliations?after={number}",
        f"/v1/usage?limit={number}",
    ):
        assert ask(at.url, "GET", path, key=at.admin).status in (200, 400, 404), path


@pytest.mark.parametrize("size", [10, 100_000, 1_000_000])
@pytest.mark.parametrize(
    ("method", "path", "is_known", "status"),
    [
        ("POST", "/v1/chat/completions", False, 401),
        ("PUT", "/v1/chat/completions", True, 405),
        ("POST", "/healthz", False, 405),
    ],
)
def test_a_refusal_before_the_body_is_read_arrives(
    at: Surface, method: str, path: str, is_known: bool, status: int, size: int
) -> None:
    answer = ask(at.url, method, path, b" " * size, key=at.admin if is_known else "")
    assert (answer.status, "error" in answer.json()) == (status, True)


def test_two_discounts_from_the_same_amount_are_refused(at: Surface) -> None:
    tiers = [{"from_usd": "10", "basis_points": 100}, {"from_usd": "10.0", "basis_points": 200}]
    answer = ask(at.url, "PUT", "/v1/discounts", json.dumps({"tiers": tiers}).encode(), key=at.admin)
    assert (answer.status, answer.json()["error"]["param"]) == (400, "tiers")


def endless(at: Surface, route: Route, length: str) -> Iterator[bytes]:
    """A hundred megabytes."""
    chunked = length.startswith("Transfer")
    lines = (
        f"{route[0]} {path_of(route, at)} HTTP/1.1",
        "Host: g",
        f"Authorization: Bearer {at.admin}",
        length,
    )
    yield ("\r\n".join(lines) + "\r\n\r\n").encode()
    for _ in range(100):
        yield b"%x\r\n" % MEBI + b" " * MEBI + b"\r\n" if chunked else b" " * MEBI


@pytest.mark.parametrize("length", [f"Content-Length: {100 * MEBI}", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    "route", [*DECODED_ALIKE, ("POST", "/v1/files"), ("POST", "/v1/nothing")], ids=" ".join
)
def test_e4_a_hundred_megabytes_are_not_read(at: Surface, route: Route, length: str) -> None:
    before = psutil.Process().memory_info().rss
    answer = raw(at.url, endless(at, route, length))
    assert answer.status in (400, 404, 413), answer
    assert answer.headers["connection"] == "close"
    assert psutil.Process().memory_info().rss - before < MAX_GROWTH
    assert_alive(at)


@pytest.mark.parametrize(
    ("announced", "sent"),
    [
        (b"1000000000000", b"{}"),
        (b"100", b"{}"),
        (b"-1", b"{}"),
        (b"1e3", b"{}"),
        (b"0x10", b"{}"),
        (b"", b"{}"),
    ],
)
def test_e4_a_length_that_lies_is_refused_or_waited_for(at: Surface, announced: bytes, sent: bytes) -> None:
    key = at.admin.encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %s\r\n" % key
    answer = raw(at.url, [head, b"Content-Length: %s\r\n\r\n" % announced, sent], half_close=True)
    assert answer.status in (0, 400, 413)
    assert_alive(at)
