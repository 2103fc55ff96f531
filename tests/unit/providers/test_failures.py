import json
from typing import Any

import pytest

from models.errors import (
    ContextLengthExceeded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from models.providers.failures import error_from

TOO_LONG = "The input token count (9) exceeds the maximum number of tokens"
NO_CREDIT = "Your credit balance is too low"
BOUND = "thinking is bound to a different conversation"
BAD_KEY = {"status": "INVALID_ARGUMENT", "message": "x", "details": [{"reason": "API_KEY_INVALID"}]}
PER_MINUTE = {"status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}

ANSWERS: list[tuple[int, Any, type[PolyvoxError], str | None]] = [
    (400, {"code": "context_length_exceeded"}, ContextLengthExceeded, "context_length_exceeded"),
    (400, {"message": "maximum context length is 8192 tokens"}, ContextLengthExceeded, None),
    (400, {"type": "t", "message": "prompt is too long: 3 > 2"}, ContextLengthExceeded, "t"),
    (400, {"code": 400, "message": TOO_LONG, "status": "S"}, ContextLengthExceeded, "S"),
    (400, {"code": "content_policy_violation"}, ProviderRefused, "content_policy_violation"),
    (400, {"message": BOUND}, ProviderRefused, "thinking_bound"),
    (400, BAD_KEY, ProviderAuthFailed, "INVALID_ARGUMENT"),
    (400, {"message": NO_CREDIT}, ProviderAuthFailed, "insufficient_quota"),
    (401, {"type": "authentication_error"}, ProviderAuthFailed, "authentication_error"),
    (402, {"type": "billing_error"}, ProviderAuthFailed, "insufficient_quota"),
    (403, {"status": "PERMISSION_DENIED"}, ProviderAuthFailed, "PERMISSION_DENIED"),
    (404, "model not found", ProviderRefused, None),
    (408, None, ProviderTimeout, None),
    (413, {"type": "request_too_large"}, ProviderRefused, "request_too_large"),
    (429, {"type": "rate_limit_error"}, ProviderRateLimited, "rate_limit_error"),
    (429, {"code": "insufficient_quota"}, ProviderAuthFailed, "insufficient_quota"),
    (429, PER_MINUTE, ProviderRateLimited, "RESOURCE_EXHAUSTED"),
    (500, {"type": "api_error"}, ProviderUnavailable, "api_error"),
    (503, {"status": "UNAVAILABLE"}, ProviderOverloaded, "UNAVAILABLE"),
    (504, None, ProviderTimeout, None),
    (529, {"type": "overloaded_error"}, ProviderOverloaded, "overloaded_error"),
]


@pytest.mark.parametrize(("status", "said", "kind", "code"), ANSWERS)
def test_an_error_answer(status: int, said: Any, kind: type[PolyvoxError], code: str | None) -> None:
    error = error_from(status, json.dumps({"error": said}).encode(), {}, provider="p", model="m")
    assert type(error) is kind
    assert (error.provider, error.model, error.status, error.provider_code) == ("p", "m", status, code)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"error": 7}', b"\xff", b'{"error": {"message": 7}}']
)
def test_a_body_of_any_kind_is_an_error_still(body: bytes) -> None:
    assert type(error_from(500, body, {}, provider="p", model="m")) is ProviderUnavailable


WAITS = [
    ({"Retry-After": "3"}, 3.0),
    ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
    ({"retry-after": "Mon, 02 Nov 2026 10:00:30 GMT", "date": "Mon, 02 Nov 2026 10:00:00 GMT"}, 30.0),
    ({"retry-after": "-1"}, 0.0),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "inf"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "expected"), WAITS)
def test_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    assert error_from(429, b"{}", headers, provider="p", model="m").retry_after_s == expected


def test_google_says_how_long_in_the_body() -> None:
    body = b'{"error": {"code": 429, "details": [{"@type": "x.RetryInfo", "retryDelay": "34.5s"}]}}'
    assert error_from(429, body, {}, provider="google", model="m").retry_after_s == 34.5


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-ant-api03-AAAA_bbbb-cc",
        "sk-ab***********wxyz",
        "AIza" + "SyA1234567890abcdefghij",
        "Bearer abc.def.ghi",
        "ya29.a0AfH6SMB",
        "eyJhbGciOi.eyJzdWIi.c2ln",
    ],
)
def test_a_message_repeats_no_secret(secret: str) -> None:
    body = json.dumps({"error": {"message": f"Incorrect key {secret} given", "code": secret}}).encode()
    error = error_from(401, body, {}, provider="p", model="m")
    assert secret not in json.dumps(error.details())
    assert "Incorrect key" in error.message


def test_a_message_is_bounded() -> None:
    body = json.dumps({"error": {"message": "x" * 100_000}}).encode()
    assert len(error_from(400, body, {}, provider="p", model="m").message) < 550
