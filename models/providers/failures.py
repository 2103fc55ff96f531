"""A provider's error answers as the project's errors, whichever of the three shapes they have."""

import math
import re
import time
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
from msgspec import Struct

from models.errors import (
    ContextLengthExceeded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)

_MAX_MESSAGE_CHARS = 500
_MAX_CODE_CHARS = 80

_SECRETS = re.compile(
    r"""(?ix)
    \b(?:sk|pk|rk|gsk|xai|key)-[A-Za-z0-9_*.-]{6,}   # OpenAI, Anthropic and look-alikes, masked ones too
    | \bAIza[A-Za-z0-9_-]{10,}                       # Google API keys
    | \bya29\.[A-Za-z0-9_.-]+                        # Google access tokens
    | \beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]+)*    # JSON web tokens
    | \bBearer\s+[^\s"',]+
    | (?<=[?&]key=)[^&\s"']+
    """
)

_ADDRESSES = re.compile(
    r"""(?ix)
    \b[a-z][a-z0-9+.-]*://[^\s"'<>)\]]+
    | \bray::[^\s"']+
    | \b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b(?::[0-9]+)?
    | \[[0-9a-f]*:[0-9a-f:]+\](?::[0-9]+)?
    | \blocalhost\b(?::[0-9]+)?
    | \b(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|cloud|internal|local|lan|svc)\b(?::[0-9]+)?
    """
)
"""Where our calls go, and what runs there, is nobody's business."""

_CONTEXT = re.compile(
    r"""(?ix)
    context_length_exceeded | maximum\ context\ length | context\ (?:window|length|limit)
    | prompt\ is\ too\ long | input\ token\ count.*exceeds | exceeds?\ the\ maximum\ number\ of\ tokens
    | input\ is\ too\ long
    """
)
_NO_CREDIT = re.compile(
    r"(?i)insufficient_quota|billing_error|credit balance is too low|exceeded your current quota"
)
_BAD_KEY = re.compile(r"(?i)api key not valid|API_KEY_INVALID|invalid_api_key|API key expired")
_BOUND_THINKING = re.compile(r"(?i)bound to a different conversation")

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    "server_overloaded": 503,
}
"""What an error's type would have been as an answer, for errors inside a stream."""


class _Error(Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    status: str | None = None
    param: str | None = None
    details: list[dict[str, Any]] | None = None


class _Body(Struct, frozen=True):
    error: _Error | str | None = None


_bodies = msgspec.json.Decoder(_Body | list[_Body])


def error_from(
    status: int, body: bytes, headers: Mapping[str, str], *, provider: str, model: str
) -> PolyvoxError:
    """The error for an answer with an error status: a `ProviderError`, or `ContextLengthExceeded`."""
    error = _parsed(body)
    lower = {name.lower(): value for name, value in headers.items()}
    return _error(error, status, provider=provider, model=model, retry_after_s=retry_after_s(lower))


def stream_error(data: bytes, *, provider: str, model: str) -> PolyvoxError:
    """The error that came as an event of a stream that had begun with status 200."""
    error = _parsed(data)
    code = error.code
    status = code if isinstance(code, int) else _STATUS_OF.get(error.type or "") or _STATUS_OF.get(code or "")
    return _error(error, status or 500, provider=provider, model=model, retry_after_s=None)


def garbled(what: str, *, provider: str, model: str = "") -> ProviderGarbled:
    return ProviderGarbled(scrub(f"{provider}: {what}"), provider=provider, model=model or None)


def scrub(text: str) -> str:
    """Without anything that looks like a credential or an address, and not too long."""
    shown = _SECRETS.sub("[removed]", text[: 4 * _MAX_MESSAGE_CHARS])
    return _ADDRESSES.sub("[address removed]", shown)[:_MAX_MESSAGE_CHARS]


def hide(error: PolyvoxError, secrets: Collection[str]) -> None:
    """Take out what no pattern knows: the key that was sent, the host that it went to."""
    error.message = _without(error.message, secrets)
    error.args = (error.message,)
    error.param = error.param and _without(error.param, secrets)
    error.provider_code = error.provider_code and _without(error.provider_code, secrets)


def _without(text: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[removed]")
        begun = next((n for n in range(len(secret) - 1, 3, -1) if text.endswith(secret[:n])), 0)
        text = text[: len(text) - begun]  # one that the end of the message cut
    return text


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); names in lower case."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return max(seconds * unit, 0.0)
    until, now = _timestamp(headers.get("retry-after", "")), _timestamp(headers.get("date", ""))
    if until is None:
        return None
    return max(until - (time.time() if now is None else now), 0.0)


def _parsed(body: bytes) -> _Error:
    try:
        found = _bodies.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _Error(message=body[: 4 * _MAX_MESSAGE_CHARS].decode(errors="replace"))
    first = (found[0] if found else _Body()) if isinstance(found, list) else found
    if isinstance(first.error, str):
        return _Error(message=first.error)
    return first.error or _Error(message=body[: 4 * _MAX_MESSAGE_CHARS].decode(errors="replace"))


def _error(
    error: _Error, status: int, *, provider: str, model: str, retry_after_s: float | None
) -> PolyvoxError:
    message = (error.message or "").strip()
    said = " ".join(filter(None, (str(error.code or ""), error.type, error.status, message)))
    kind, code = _kind(status, said, error)
    return kind(
        f"{provider} answered {status}: {scrub(message) or 'no message'}",
        param=scrub(error.param)[:_MAX_CODE_CHARS] if error.param else None,
        provider=provider,
        model=model or None,
        status=status,
        provider_code=scrub(code)[:_MAX_CODE_CHARS] or None,
        retry_after_s=_retry_info(error) if retry_after_s is None else retry_after_s,
    )


def _kind(status: int, said: str, error: _Error) -> tuple[type[PolyvoxError], str]:
    named = error.code if isinstance(error.code, str) else ""
    code = named or error.status or error.type or ""
    if status in (400, 413, 422) and _CONTEXT.search(said):
        return ContextLengthExceeded, code
    if status == 402 or (status in (400, 403, 429) and _out_of_credit(said)):
        # Our account there is empty: no wait helps, as with a key that is refused.
        return ProviderAuthFailed, "insufficient_quota"
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(_with_reasons(said, error))):
        return ProviderAuthFailed, code
    if status == 400 and _BOUND_THINKING.search(said):
        return ProviderRefused, "thinking_bound"
    if status == 429:
        return ProviderRateLimited, code
    if status in (408, 504):
        return ProviderTimeout, code
    if status in (503, 529):
        return ProviderOverloaded, code
    return (ProviderUnavailable if status >= 500 else ProviderRefused), code


def _out_of_credit(said: str) -> bool:
    """Google words an ordinary rate limit like OpenAI's empty account."""
    return bool(_NO_CREDIT.search(said)) and "RESOURCE_EXHAUSTED" not in said


def _with_reasons(said: str, error: _Error) -> str:
    return " ".join([said, *(str(detail.get("reason", "")) for detail in error.details or ())])


def _retry_info(error: _Error) -> float | None:
    """Google says it in the body: `{"@type": "…/google.rpc.RetryInfo", "retryDelay": "34s"}`."""
    for detail in error.details or ():
        delay = detail.get("retryDelay")
        if isinstance(delay, str):
            return _number(delay.removesuffix("s"))
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _timestamp(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
