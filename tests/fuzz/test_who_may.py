"""E-10, E-11: every route, asked by nobody, by strangers, and for more than it gives."""

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.fuzz.surface import CONVERSATIONS, Surface
from tests.fuzz.wire import ask

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
OPEN = ("/healthz", "/readyz")
NOBODYS_KEYS = (
    (),
    (("Authorization", "Bearer pvx_aaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),),
    (("Authorization", "Basic cm9vdDpyb290"),),
    (("Authorization", "Bearer "), ("x-api-key", ""), ("x-goog-api-key", " ")),
    (("Authorization", "Bearer ' OR 1=1 --"),),
    (("Authorization", "Bearer \xff\xfe"),),
    (("Cookie", "key=pvx"), ("X-Forwarded-User", "root"), ("X-Original-URL", "/healthz")),
)
MORE = {
    "tenant_id": "other",
    "user_id": "root",
    "is_admin": True,
    "limit_pico": 10**30,
    "allowed_routes": ["*"],
    "api_base": "http://127.0.0.1:9/",
}
"""What a caller might like to be, beside what the route takes."""


def paths(at: Surface) -> Mapping[str, Any]:
    described: Mapping[str, Any] = ask(at.url, "GET", "/openapi.json", key=at.admin).json()["paths"]
    return described


def filled(path: str) -> str:
    return (
        path.replace("{model}", "auto")
        .replace("{conversation_id}", CONVERSATIONS[0])
        .replace("{", "")
        .replace("}", "")
    )


def test_e10_every_route_and_method_needs_a_key(at: Surface) -> None:
    everything = [
        *paths(at),
        "/openapi.json",
        "/docs",
        "/redoc",
        "/",
        "/v1",
        "/v1/nothing",
        "/healthz/",
        "//healthz",
    ]
    let_in = [
        (method, path, headers, answer.status)
        for path in everything
        if path not in OPEN
        for method in METHODS
        for headers in (NOBODYS_KEYS if method in ("GET", "POST") else NOBODYS_KEYS[:1])
        if (answer := ask(at.url, method, filled(path), headers=headers)).status != 401
    ]
    assert let_in == []


@pytest.mark.parametrize("path", OPEN)
def test_e10_whether_it_is_well_everybody_may_ask(at: Surface, path: str) -> None:
    assert ask(at.url, "GET", path).status == 200


def test_a_key_in_a_query_is_found_whatever_else_is_in_it(at: Surface) -> None:
    assert ask(at.url, "GET", f"/v1/models?q=%C3%BC&key={at.admin}").status == 200
    assert ask(at.url, "GET", "/v1/models?q=%C3%BC&key=%C3%BC").status == 401


class Theirs:
    """What the administrator of one tenant has, by the parameter that names it in paths."""

    def __init__(self, at: Surface) -> None:
        self._at = at
        chat = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}]}
        asked = self._make("/v1/chat/completions", chat)
        budget = {"scope": "tenant", "period": "day", "limit_usd": "1000000"}
        channel = {"kind": "webhook", "target": "https://example.org/hook"}
        limit = {"scope": "tenant", "measure": "requests", "amount": 1_000_000}
        self.ids = {
            "request_id": asked["id"].removeprefix("chatcmpl-"),
            "response_id": self._make("/v1/responses", {"model": "gpt-5.4-mini", "input": "hi"})["id"],
            "conversation_id": CONVERSATIONS[0],
            "key_id": self._make("/v1/keys", {"name": "laptop"})["id"],
            "budget_id": self._make("/v1/budgets", budget)["id"],
            "channel_id": self._make("/v1/alerts/channels", channel)["id"],
            "limit_id": self._make("/v1/limits", limit, method="PUT")["id"],
            "file_id": self._bring(),
        }
        batch = {"input_file_id": self.ids["file_id"], "endpoint": "/v1/chat/completions"}
        self.ids["batch_id"] = self._make("/v1/batches", {**batch, "completion_window": "24h"})["id"]

    def _make(self, path: str, body: Any, *, method: str = "POST") -> Any:
        made = ask(self._at.url, method, path, json.dumps(body).encode(), key=self._at.admin)
        assert made.status in (200, 201), made
        return made.json()

    def _bring(self) -> str:
        fields = (('name="purpose"', "batch"), ('name="file"; filename="a.jsonl"', "{}"))
        form = "".join(
            f"--x\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n" for name, value in fields
        )
        headers = [("Content-Type", "multipart/form-data; boundary=x")]
        body = (form + "--x--\r\n").encode()
        made = ask(self._at.url, "POST", "/v1/files", body, key=self._at.admin, headers=headers)
        assert made.status == 200, made
        return str(made.json()["id"])

    def operations(self) -> Iterator[tuple[str, str]]:
        """Whatever reads, changes or deletes one of them, what deletes last."""
        found = [
            (method.upper(), path.format(**self.ids))
            for path, operations in paths(self._at).items()
            if any(f"{{{name}}}" in path for name in self.ids)
            for method in operations
        ]
        return iter(sorted(found, key=lambda operation: operation[0] == "DELETE"))

    def seen(self) -> list[tuple[str, int]]:
        """The answers to whatever shows one of them."""
        shown = [path for method, path in self.operations() if method == "GET" and "decision" not in path]
        return [(path, ask(self._at.url, "GET", path, key=self._at.admin).status) for path in shown]


def test_e10_what_another_tenant_has_is_not_there(at: Surface) -> None:
    theirs = Theirs(at)
    before = theirs.seen()
    assert {status for _, status in before} == {200}
    for method, path in theirs.operations():
        if method in ("GET", "DELETE"):
            answer = ask(at.url, method, path, key=at.stranger)
            assert answer.status == 404, (method, path, answer)
            continue
        for body in (b"{}", b'{"title":"mine now"}', b'{"limit_usd":"0"}', b'{"messages":[]}'):
            answer = ask(at.url, method, path, body, key=at.stranger)
            assert answer.status in (400, 404), (method, path, answer)
    assert theirs.seen() == before


def test_e10_what_takes_an_administrator_refuses_a_member(at: Surface) -> None:
    for method, path, body in (
        ("PUT", "/v1/discounts", {"tiers": []}),
        ("PUT", "/v1/conversations/retention", {"grace_days": 1}),
        ("PUT", "/v1/limits", {"scope": "tenant", "measure": "requests", "amount": 1}),
        ("PUT", "/v1/routing/policies", {}),
        ("POST", "/v1/budgets", {"scope": "tenant", "period": "day", "limit_usd": "1"}),
        ("POST", "/v1/teams", {"name": "mine"}),
        ("POST", "/v1/keys", {"roles": ["admin"]}),
        ("POST", "/v1/keys", {"user": "root"}),
        ("POST", "/v1/alerts/channels", {"kind": "webhook", "target": "https://example.org/"}),
        ("POST", "/v1/reconciliations/run", {}),
        ("GET", "/v1/conversations?users=all", None),
    ):
        sent = b"" if body is None else json.dumps(body).encode()
        answer = ask(at.url, method, path, sent, key=at.member)
        assert (answer.status, answer.json()["error"]["code"]) == (403, "permission_denied"), (path, answer)


def test_e11_what_manages_refuses_fields_that_it_does_not_know(at: Surface) -> None:
    described = ask(at.url, "GET", "/openapi.json", key=at.admin).json()
    schemas, checked = described["components"]["schemas"], 0
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            asked = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if asked is None or schemas[asked["schema"]["$ref"].rpartition("/")[2]].get(
                "additionalProperties", True
            ):
                continue
            checked += 1
            for name, value in MORE.items():
                body = json.dumps({name: value}).encode()
                answer = ask(at.url, method.upper(), filled(path), body, key=at.admin)
                assert 400 <= answer.status < 500, (method, path, name, answer)
    assert checked >= 15


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/models/gemini-3.5-flash:generateContent", {"contents": "hi"}),
        ("/v1/embeddings", {"input": "hi", "model": "gemini-embedding-001"}),
    ],
)
def test_e11_nobody_chooses_whom_the_gateway_calls(at: Surface, path: str, body: dict[str, Any]) -> None:
    """The canary hears nothing, wherever a caller puts its address."""
    with socket.create_server(("127.0.0.1", 0)) as canary:
        address = f"http://127.0.0.1:{canary.getsockname()[1]}/"
        places = dict.fromkeys(
            ("api_base", "base_url", "baseUrl", "api_url", "host", "proxy", "endpoint", "url"), address
        )
        more = {**places, "user_config": places, "extra_body": places, "metadata": places, "provider": places}
        model = {} if "models/" in path else {"model": "gemini-3.5-flash"}
        answer = ask(at.url, "POST", path, json.dumps({**model, **body, **more}).encode(), key=at.admin)
        assert answer.status < 500
        canary.settimeout(0.05)
        with pytest.raises(TimeoutError):
            canary.accept()
