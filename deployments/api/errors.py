"""The one place that knows HTTP codes: an error of the tree to a status, headers and a dialect's fields."""

from typing import Any

from deployments.api.exchange import Headers
from models import errors
from models.errors import PolyvoxError

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
    429: "rate_limit_error",
}

_DEFAULT_RETRY_AFTER_S = 1.0


def status_of(error: PolyvoxError) -> int:
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
