"""The one place that knows HTTP codes: an error of the tree to a status, headers and a dialect's fields."""

from collections.abc import Mapping
from typing import Any, Literal

from deployments.api.exchange import JSON, Headers
from deployments.api.paths import METHODS
from models import errors
from models.dialects import anthropic_answer, gemini_answer, openai_chat
from models.errors import PolyvoxError
from models.idempotency import IdempotencyKeyReused
from models.limits import RateLimited, headers_for

Dialect = Literal["openai", "anthropic", "google"]

_STATUS: dict[type[PolyvoxError], int] = {
    errors.InvalidRequest: 400,
    errors.PayloadTooLarge: 413,
    errors.MethodNotAllowed: 405,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PaymentRequired: 402,
    errors.Overloaded: 503,
    IdempotencyKeyReused: 422,
    RateLimited: 429,
    errors.DeadlineExceeded: 504,
    errors.ReplicaLost: 503,
    errors.ProviderError: 502,
    errors.ProviderRefused: 400,
    errors.ProviderRateLimited: 429,
    errors.ProviderOverloaded: 503,
    errors.ProviderTimeout: 504,
    errors.Internal: 500,
    PolyvoxError: 500,
}

_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    405: "invalid_request_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}

_ANTHROPIC_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OVERLOADED = 529
"""What Anthropic says where others say 503."""

_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}

_DEFAULT_RETRY_AFTER_S = 1.0
_SAME_TO_CALLERS = (404, 413)
"""Statuses of a provider's refusal that are the answer's too."""


def status_of(error: PolyvoxError) -> int:
    if isinstance(error, errors.ProviderRefused) and error.status in _SAME_TO_CALLERS:
        return error.status
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def openai_fields(error: PolyvoxError) -> dict[str, Any]:
    """As OpenAI describes its errors, with the provider that failed, if one did."""
    fields: dict[str, Any] = {
        "message": error.message,
        "type": _TYPE.get(status_of(error), "server_error"),
        "param": error.param,
        "code": error.code,
    }
    if error.provider:
        fields["provider"] = error.provider
        fields["provider_status"] = error.status
        fields["provider_code"] = error.provider_code
    return fields


def retry_headers(error: PolyvoxError) -> Headers:
    """What the clients' own retry logic goes by: OpenAI's and Anthropic's SDKs honour both."""
    if isinstance(error, errors.PaymentRequired) and error.retry_after_s is None:
        return ((b"x-should-retry", b"false"),)
    if not error.retryable and error.retry_after_s is None:
        # The SDKs take a 409 and any 5xx for worth another try.
        status = status_of(error)
        return ((b"x-should-retry", b"false"),) if status == 409 or status >= 500 else ()
    seconds = error.retry_after_s if error.retry_after_s is not None else _DEFAULT_RETRY_AFTER_S
    return (
        (b"retry-after", str(max(1, round(seconds))).encode()),
        (b"retry-after-ms", str(round(seconds * 1000)).encode()),
    )


def dialect_of(path: str, headers: Mapping[bytes, bytes], query: bytes = b"") -> Dialect:
    """In whose words a caller is answered: by the path, or, where they share it, by what else is sent."""
    if path.startswith("/v1/messages"):
        return "anthropic"
    if path.startswith("/v1beta/"):
        return "google"
    if not path.startswith("/v1/models"):
        return "openai"
    if b"anthropic-version" in headers:
        return "anthropic"
    is_googles = path.rpartition(":")[2] in METHODS or b"x-goog-api-key" in headers or b"key=" in query
    return "google" if is_googles else "openai"


def failure(error: PolyvoxError, dialect: Dialect, *, request_id: str) -> tuple[int, bytes, Headers]:
    """Status, body and headers of the answer to a request that failed."""
    rates = headers_for(dialect, error.rates) if isinstance(error, RateLimited) else ()
    headers = (JSON, *retry_headers(error), *rates)
    if dialect == "anthropic":
        body = anthropic_answer.encode_error(anthropic_fields(error), request_id=request_id)
        return _anthropic_status(error), body, (*headers, (b"request-id", request_id.encode()))
    if dialect == "google":
        return status_of(error), gemini_answer.encode_error(google_fields(error)), headers
    named = (b"x-request-id", request_id.encode())
    return status_of(error), openai_chat.encode_error(openai_fields(error)), (*headers, named)


def anthropic_fields(error: PolyvoxError) -> dict[str, Any]:
    """As Anthropic describes its errors; `details` has our code, and the provider that failed, if one did."""
    message = error.message
    if isinstance(error, errors.ContextLengthExceeded):
        message = f"prompt is too long: {message}"  # which is what its clients look for
    details = {"error_code": error.code, **_told(error)}
    kind = _ANTHROPIC_TYPE.get(_anthropic_status(error), "api_error")
    return {"type": kind, "message": message, "details": details}


def google_fields(error: PolyvoxError) -> dict[str, Any]:
    """As Google describes its errors; our code is the reason that its `ErrorInfo` gives."""
    told = {name: str(value) for name, value in _told(error).items()}
    kind = "type.googleapis.com/google.rpc"
    details: list[dict[str, Any]] = [
        {"@type": f"{kind}.ErrorInfo", "reason": error.code.upper(), "domain": "polyvox", "metadata": told}
    ]
    if error.retry_after_s is not None:
        details.append({"@type": f"{kind}.RetryInfo", "retryDelay": f"{error.retry_after_s:g}s"})
    code = status_of(error)
    status = _GOOGLE_STATUS.get(code, "UNAVAILABLE")
    return {"code": code, "message": error.message, "status": status, "details": details}


def _anthropic_status(error: PolyvoxError) -> int:
    is_overload = isinstance(error, errors.Overloaded | errors.ProviderOverloaded)
    return _OVERLOADED if is_overload else status_of(error)


def _told(error: PolyvoxError) -> dict[str, Any]:
    """What else is known of it."""
    told = {"param": error.param}
    if error.provider:
        told |= {"provider": error.provider, "provider_code": error.provider_code}
        told["provider_status"] = None if error.status is None else str(error.status)
    return {name: value for name, value in told.items() if value is not None}
