"""Every error of every provider, in every dialect, through the HTTP surface: none is sampled."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple

import pytest
import pytest_asyncio

from models.conditions import Conditions
from tests.asgi import Response
from tests.contract.product import PROVIDER_KEY, Product, product
from tests.contract.samples import SAMPLES, Sample
from tests.contract.scripted import Answer, HangUp, Script, ScriptedProvider, Stream, scripted_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

Dialect = Literal["chat", "responses", "messages", "gemini"]
DIALECTS: tuple[Dialect, ...] = ("chat", "responses", "messages", "gemini")
HOSTS = {"openai_chat": "openai", "anthropic_messages": "anthropic", "google_generate": "google"}
MODELS = {
    "openai_chat": "gpt-5.4-mini",
    "anthropic_messages": "claude-haiku-4-5",
    "google_generate": "gemini-3.5-flash",
}
HELLO = [{"role": "user", "content": "hi"}]
CANARIES = (
    PROVIDER_KEY,
    "sk-proj-0123456789abcdef",
    "AIzaSyD-0123456789abcdef",
    "10.1.2.3",
    "internal.local",
)
SAID = f"see http://10.1.2.3:8123/v1 at node.internal.local, ray::Provider.stream: {' '.join(CANARIES)} x"


class Row(NamedTuple):
    """What a provider's status comes to; Anthropic's own clients are told 529 where others are told 503."""

    status: int
    code: str
    openai_type: str
    anthropic_type: str
    google_status: str
    retry: bool = False
    """Whether clients are told when to ask again."""


REFUSED = Row(400, "provider_refused", "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")
OUR_KEY = Row(502, "provider_auth_failed", "server_error", "api_error", "UNAVAILABLE")
LATE = Row(504, "provider_timeout", "server_error", "timeout_error", "DEADLINE_EXCEEDED", retry=True)
DOWN = Row(502, "provider_unavailable", "server_error", "api_error", "UNAVAILABLE", retry=True)
BUSY = Row(503, "provider_overloaded", "server_error", "overloaded_error", "UNAVAILABLE", retry=True)
GARBLED = Row(502, "provider_garbled", "server_error", "api_error", "UNAVAILABLE", retry=True)

ROWS: dict[int, Row] = {
    400: REFUSED,
    401: OUR_KEY,
    402: OUR_KEY,
    403: OUR_KEY,
    404: Row(404, "provider_refused", "not_found_error", "not_found_error", "NOT_FOUND"),
    408: LATE,
    409: REFUSED,
    413: Row(413, "provider_refused", "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"),
    422: REFUSED,
    429: Row(
        429, "provider_rate_limited", "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", retry=True
    ),
    500: DOWN,
    502: DOWN,
    503: BUSY,
    504: LATE,
    529: BUSY,
}

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
every_provider = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: HOSTS[sample.protocol])
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


class Stage(NamedTuple):
    product: Product
    provider: ScriptedProvider

    async def ask(self, dialect: Dialect, sample: Sample, script: Script, *, stream: bool) -> Response:
        self.provider.script = script
        self.product.gateway.router.conditions = Conditions()  # as if nothing had gone wrong before
        model = MODELS[sample.protocol]
        path, body = _request(dialect, model, stream=stream)
        response = await self.product.client.request("POST", path, body)
        _assert_tells_nothing(response, self.provider)
        return response


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with scripted_provider() as provider:
        bases = {HOSTS[sample.protocol]: provider.url + sample.base_path for sample in SAMPLES}
        async with product(bases) as made:
            made.gateway.patience_s = 0.0
            yield Stage(made, provider)


def _request(dialect: Dialect, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    match dialect:
        case "chat":
            return "/v1/chat/completions", {"model": model, "messages": HELLO, "stream": stream}
        case "responses":
            body = {"model": model, "input": "hi", "stream": stream, "store": False}
            return "/v1/responses", body
        case "messages":
            body = {"model": model, "messages": HELLO, "max_tokens": 99, "stream": stream}
            return "/v1/messages", body
        case "gemini":
            method = "streamGenerateContent" if stream else "generateContent"
            return f"/v1beta/models/{model}:{method}", {"contents": [{"parts": [{"text": "hi"}]}]}


def _assert_tells_nothing(response: Response, provider: ScriptedProvider) -> None:
    told = response.body.decode() + json.dumps(response.headers)
    for canary in (*CANARIES, provider.url, f"127.0.0.1:{provider.port}", "ray::", "Traceback"):
        assert canary not in told


def _assert_is(dialect: Dialect, row: Row, error: Any) -> None:
    """`error` is a body's, or what a stream ended with."""
    match dialect:
        case "chat" | "responses":
            fields = error["error"]
            assert fields.keys() >= {"message", "type", "param", "code"}
            assert (fields["type"], fields["code"]) == (row.openai_type, row.code)
        case "messages":
            assert error["type"] == "error"
            assert error["request_id"].startswith("req_")
            fields = error["error"]
            assert (fields["type"], fields["details"]["error_code"]) == (row.anthropic_type, row.code)
        case "gemini":
            fields = error["error"]
            assert (fields["code"], fields["status"]) == (row.status, row.google_status)
            assert fields["details"][0]["reason"] == row.code.upper()
    assert fields["message"]


@every_dialect
@every_provider
@both_ways
@pytest.mark.parametrize("retry_after", [None, "7", "0.4", "90"])
@pytest.mark.parametrize("status", ROWS)
async def test_a_status(
    stage: Stage, dialect: Dialect, sample: Sample, stream: bool, status: int, retry_after: str | None
) -> None:
    headers = {"Retry-After": retry_after} if retry_after else {}
    answer = Answer(status, sample.error(status, SAID), headers)
    response, row = await stage.ask(dialect, sample, answer, stream=stream), ROWS[status]
    expected = 529 if dialect == "messages" and row is BUSY else row.status
    assert (response.status, response.headers["content-type"]) == (expected, "application/json")
    _assert_is(dialect, row, response.json())
    told = response.headers.get("retry-after")
    if retry_after:
        assert told == str(max(1, round(float(retry_after))))
        assert response.headers["retry-after-ms"] == str(round(float(retry_after) * 1000))
    else:
        assert told == ("1" if row.retry else None)
    if row is OUR_KEY and not retry_after:
        assert response.headers["x-should-retry"] == "false"


@every_dialect
@every_provider
@both_ways
@pytest.mark.parametrize(
    ("script", "row"),
    [
        (HangUp(), DOWN),
        (HangUp(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), DOWN),
        (HangUp(b"this is not HTTP\r\n\r\n"), GARBLED),
        (Answer(body=b"not the protocol"), GARBLED),
        (Answer(500, b"<html>node.internal.local ray::Provider() pid=7</html>"), DOWN),
        (Answer(503, b""), BUSY),
    ],
    ids=["reset", "cut", "not-http", "not-json", "html", "empty"],
)
async def test_no_answer(
    stage: Stage, dialect: Dialect, sample: Sample, stream: bool, script: Script, row: Row
) -> None:
    response = await stage.ask(dialect, sample, script, stream=stream)
    expected = 529 if dialect == "messages" and row is BUSY else row.status
    assert response.status == expected
    _assert_is(dialect, row, response.json())


@every_dialect
@every_provider
@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("overloaded_error", BUSY),
        ("rate_limit_error", ROWS[429]),
        ("api_error", DOWN),
        ("invalid_request_error", REFUSED),
        ("cut", DOWN),
        ("garbled", GARBLED),
    ],
)
async def test_mid_stream(stage: Stage, dialect: Dialect, sample: Sample, kind: str, row: Row) -> None:
    begun = sample.events[: 1 if len(sample.events) < 5 else 3]
    end: Script = Stream([*begun, _broken(sample, kind)], end="cut" if kind == "cut" else "properly")
    response = await stage.ask(dialect, sample, end, stream=True)
    assert response.status == 200
    assert "Par" in response.body.decode()
    if dialect == "gemini":
        _assert_is(dialect, row, json.loads(response.body)[-1])
        return
    *_, last = re.findall(rb"^data: (.*)$", response.body, re.MULTILINE)
    error = json.loads(last)
    if dialect == "responses":
        assert error["type"] == "response.failed"
        said = error["response"]["error"]
        assert said["code"] == ("rate_limit_exceeded" if row is ROWS[429] else "server_error")
        assert said["message"]
        assert error["response"]["status"] == "failed"
    else:
        _assert_is(dialect, row, error)


def _broken(sample: Sample, kind: str) -> bytes:
    """What a provider's stream says when it breaks."""
    if kind == "cut":
        return b""
    if kind == "garbled":
        return b"data: {nonsense\n\n"
    code = {"overloaded_error": 503, "rate_limit_error": 429, "api_error": 500, "invalid_request_error": 400}
    error: dict[str, Any] = {"type": kind, "message": SAID}
    if sample.protocol == "google_generate":
        error = {"code": code[kind], "message": SAID, "status": "SOME_ERROR"}
    named = b"event: error\n" if sample.protocol == "anthropic_messages" else b""
    return named + b"data: " + json.dumps({"type": "error", "error": error}).encode() + b"\n\n"
