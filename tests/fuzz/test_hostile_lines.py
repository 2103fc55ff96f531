"""E-5, E-6, E-8: what is echoed stays where it belongs: headers, events, the ledger, addresses."""

import json
import re
from typing import Any

import pytest

from tests.fuzz.surface import CONVERSATIONS, Surface
from tests.fuzz.wire import Answer, ask, raw

ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TEXTS = (
    "a\x00b",
    "a\rb",
    "a\r\nb\n\nc",
    "a\u2028b\u2029c\u0085d\x0b\x0c",
    "\ufeffa",
    "\u202e\u05d0\u05d1",
    "\U0001f469\u200d\U0001f680",
    "data: [DONE]\n\n",
    "event: message_stop\ndata: {}\n\n",
    "\x1b[31m",
)
INJECTIONS = (
    b"a\r\nX-Evil: 1",
    b"a\rX-Evil: 1",
    b"a\nX-Evil: 1",
    b"a\x00b",
    b"a\r\n X-Evil: 1",
    b"\xff\xfe",
    b"x" * 200,
    b"../../etc/passwd",
    b"http://169.254.169.254/",
    b"${jndi:ldap://x}",
    b'","level":"info',
)
HOSTS = (
    b"Host: /",
    b"Host: ?",
    b"Host: #",
    b"Host: @",
    b"Host: :",
    b"Host: [",
    b"Host: ]",
    b"Host: [::1",
    b"Host: gateway:port",
    b"Host: %2f",
    b"Host: a b",
    b"Host: \xff",
    b"Host: gateway/healthz?",
    b"Host: gateway@healthz",
    b"Host:",
    b"X-No-Host: 1",
    b"Host: gateway\r\nHost: healthz",
)
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "TEXT"}]},
    "/v1/messages": {
        "model": "gemini-3.5-flash",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "TEXT"}],
    },
    "/v1/responses": {"model": "claude-haiku-4-5", "input": "TEXT"},
    "/v1beta/models/gpt-5.4-mini:streamGenerateContent?alt=sse": {"contents": "TEXT"},
    "/api/chat/send-with-model": {
        "conversationId": CONVERSATIONS[0],
        "message": "TEXT",
        "modelId": "claude-haiku-4-5",
    },
}


def streamed(at: Surface, path: str, text: str, **more: Any) -> Answer:
    written = json.dumps({**ENDPOINTS[path], **more}).replace('"TEXT"', json.dumps(text))
    return ask(at.url, "POST", path, written.encode(), key=at.admin)


def assert_no_split(answer: Answer) -> None:
    assert "x-evil" not in answer.headers
    assert b"X-Evil" not in answer.body.partition(b"{")[0]
    for name in ("x-request-id", "request-id", "x-polyvox-request-id"):
        assert ID.fullmatch(answer.headers.get(name, "none")), answer.headers


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_e5_a_text_of_any_kind_is_answered_and_charged_or_refused(at: Surface, path: str, text: str) -> None:
    """Events are one line of JSON each, whatever they repeat of the request."""
    answer = streamed(at, path, text, **({} if "alt=sse" in path else {"stream": True}))
    if answer.status != 200:
        assert (answer.status, answer.json()["error"]["message"] != "") == (400, True)
        return
    said = [line for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    assert said != []
    for line in said:
        assert line == "data: [DONE]" or isinstance(json.loads(line[6:]), dict)
    assert not re.search(rb"\r(?!\n)", answer.body)
    request_id = answer.headers["x-polyvox-request-id"]
    record = ask(at.url, "GET", f"/v1/requests/{request_id}", key=at.admin)
    assert record.status == 200, record
    assert record.json()["attempts"] != []


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_e5_a_conversation_keeps_any_text_or_refuses_it(at: Surface, text: str) -> None:
    where = {"metadata": {"conversation_id": f"00000000-0000-4000-8000-{TEXTS.index(text):012x}"}}
    answer = streamed(at, "/v1/chat/completions", text, **where)
    assert answer.status in (200, 400), answer
    if answer.status == 200:
        path = f"/v1/conversations/{where['metadata']['conversation_id']}/messages"
        kept = ask(at.url, "GET", path, key=at.admin).json()["data"]
        assert kept[0]["parts"][0]["text"] == text


@pytest.mark.parametrize("injected", INJECTIONS)
@pytest.mark.parametrize(
    "name",
    [
        b"x-request-id",
        b"x-polyvox-request-id",
        b"x-polyvox-conversation-id",
        b"anthropic-version",
        b"x-session-id",
    ],
)
def test_e6_a_header_is_not_echoed_into_another(at: Surface, name: bytes, injected: bytes) -> None:
    key = at.admin.encode()
    lines = b"GET /v1/models HTTP/1.1\r\nHost: g\r\nConnection: close\r\nAuthorization: Bearer %s\r\n" % key
    answer = raw(at.url, [lines, name, b": ", injected, b"\r\n\r\n"])
    assert answer.status in (200, 400), answer
    assert_no_split(answer)
    assert injected not in b"".join(value.encode("latin-1") for value in answer.headers.values())


@pytest.mark.parametrize("injected", INJECTIONS)
def test_e6_a_path_or_a_query_is_not_echoed_into_a_header(at: Surface, injected: bytes) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in injected)
    for path in (
        f"/v1/models/{quoted}",
        f"/v1/{quoted}",
        f"/v1/keys/{quoted}",
        f"/v1/responses/{quoted}",
        f"/v1/conversations/{CONVERSATIONS[0]}/export?format={quoted}",
        f"/v1beta/models/{quoted}:generateContent",
    ):
        for method in ("GET", "POST", "PUT"):
            answer = ask(at.url, method, path, key=at.admin)
            assert 200 <= answer.status < 500, (method, path, answer)
            assert_no_split(answer)


@pytest.mark.parametrize("injected", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "\u0130", "x" * 10_000, ""])
def test_e6_names_of_tools_are_not_echoed_into_a_header(at: Surface, injected: str) -> None:
    tools = [{"type": injected}, {"type": "function", "name": "f", "parameters": {}}]
    answer = streamed(at, "/v1/responses", "hi", tools=tools)
    assert answer.status in (200, 400), answer
    assert_no_split(answer)
    answer = streamed(at, "/v1/messages", "hi", tools=[{"type": "x_1", "name": injected}, {"name": "f"}])
    assert answer.status in (200, 400), answer
    assert_no_split(answer)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/me", "/v1/nothing", "/openapi.json"])
def test_e8_the_host_header_decides_nothing(at: Surface, host: bytes, path: str) -> None:
    first = f"GET {path} HTTP/1.1\r\nConnection: close\r\n".encode() + host + b"\r\n"
    assert raw(at.url, [first, b"\r\n"]).status in (400, 401)
    answer = raw(at.url, [first, f"Authorization: Bearer {at.admin}\r\n\r\n".encode()])
    assert answer.status in ((400, 404) if path == "/v1/nothing" else (200, 400)), answer


@pytest.mark.parametrize(
    "target",
    [
        "http://gateway/healthz",
        "http://gateway/v1/me",
        "http://gateway@evil/v1/me",
        "//gateway/v1/me",
        "/healthz/../v1/me",
        "/healthz%2f..%2fv1%2fme",
        "/healthz;/v1/me",
        "/v1/me?/healthz",
        "/v1/me#/healthz",
        "*",
    ],
)
def test_e8_no_way_of_writing_a_target_needs_no_key(at: Surface, target: str) -> None:
    answer = ask(at.url, "GET", target)
    assert answer.status in (400, 401) or (target, answer.status) == ("http://gateway/healthz", 200), answer
