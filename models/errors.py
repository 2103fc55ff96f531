"""One tree of errors; each survives a process boundary with its details.

PolyvoxError
├── InvalidRequest            the caller's mistake: never retried
│   ├── UnsupportedParameter
│   ├── ContextLengthExceeded
│   ├── PayloadTooLarge
│   └── MethodNotAllowed
├── Unauthenticated
├── PermissionDenied
├── NotFound
│   └── UnknownModel
├── Conflict                  what it would change is no longer as the caller takes it to be
├── PaymentRequired
│   ├── UnknownPrice
│   ├── BudgetExceeded        what is left of a budget is less than the call may cost
│   └── BudgetHeld            calls under way hold it: it may be free in a moment
├── Overloaded                our own back-pressure, nothing was started
├── DeadlineExceeded          our own time limit
├── ReplicaLost               the replica that held the request died
├── ProviderError             the provider's answer, or the lack of one
│   ├── ProviderRefused       it says that the request is wrong (400, 404, 413, 422)
│   ├── ProviderAuthFailed    it does not accept our credentials (401, 403)
│   ├── ProviderRateLimited   429
│   ├── ProviderOverloaded    503, 529
│   ├── ProviderUnavailable   other 5xx, or no connection
│   ├── ProviderTimeout
│   └── ProviderGarbled       it answered what its protocol does not allow
└── Internal                  a bug of ours
"""

from typing import Any, ClassVar

_MAX_MESSAGE_CHARS = 2_000


class PolyvoxError(Exception):
    """`message` is for the caller. It holds no secret, no stack and no address."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    """Whether another attempt, elsewhere or later, may succeed."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        provider_code: str | None = None,
        retry_after_s: float | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message[:_MAX_MESSAGE_CHARS]
        self.param = param
        """The field of the caller's request that is at fault."""
        self.provider = provider
        self.model = model
        self.status = status
        """HTTP status that the provider answered."""
        self.provider_code = provider_code
        """The provider's own machine-readable code."""
        self.retry_after_s = retry_after_s
        self.sent = sent
        """False only if the provider provably did not get the request."""

    def details(self) -> dict[str, Any]:
        """Everything needed to build it again with `from_details`, plain values only."""
        fields = {k: v for k, v in vars(self).items() if v is not None}
        return {"kind": type(self).__name__, **fields}

    def __reduce__(self) -> tuple[Any, ...]:
        return from_details, (self.details(),)


class InvalidRequest(PolyvoxError):
    code = "invalid_request"


class UnsupportedParameter(InvalidRequest):
    code = "unsupported_parameter"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class PayloadTooLarge(InvalidRequest):
    code = "payload_too_large"


class MethodNotAllowed(InvalidRequest):
    code = "method_not_allowed"


class Unauthenticated(PolyvoxError):
    code = "invalid_api_key"


class PermissionDenied(PolyvoxError):
    code = "permission_denied"


class NotFound(PolyvoxError):
    code = "not_found"


class UnknownModel(NotFound):
    code = "model_not_found"


class Conflict(PolyvoxError):
    code = "conflict"


class PaymentRequired(PolyvoxError):
    code = "insufficient_quota"


class UnknownPrice(PaymentRequired):
    code = "unknown_price"


class BudgetExceeded(PaymentRequired):
    code = "budget_exceeded"


class BudgetHeld(PaymentRequired):
    code = "in_flight_budget_exhausted"


class Overloaded(PolyvoxError):
    code = "overloaded"
    retryable = True


class DeadlineExceeded(PolyvoxError):
    code = "deadline_exceeded"


class ReplicaLost(PolyvoxError):
    code = "replica_lost"
    retryable = True


class ProviderError(PolyvoxError):
    code = "provider_error"


class ProviderRefused(ProviderError):
    code = "provider_refused"


class ProviderAuthFailed(ProviderError):
    code = "provider_auth_failed"


class ProviderRateLimited(ProviderError):
    code = "provider_rate_limited"
    retryable = True


class ProviderOverloaded(ProviderError):
    code = "provider_overloaded"
    retryable = True


class ProviderUnavailable(ProviderError):
    code = "provider_unavailable"
    retryable = True


class ProviderTimeout(ProviderError):
    code = "provider_timeout"
    retryable = True


class ProviderGarbled(ProviderError):
    code = "provider_garbled"
    retryable = True


class Internal(PolyvoxError):
    code = "internal_error"


def _tree(cls: type[PolyvoxError]) -> dict[str, type[PolyvoxError]]:
    found = {cls.__name__: cls}
    for child in cls.__subclasses__():
        found |= _tree(child)
    return found


KINDS = _tree(PolyvoxError)

_FIELDS = frozenset(vars(PolyvoxError("")))
"""A newer replica's errors may have more."""


def from_details(details: dict[str, Any]) -> PolyvoxError:
    """The error that `details()` described; an unknown kind becomes `Internal`."""
    fields = {name: value for name, value in details.items() if name in _FIELDS}
    return KINDS.get(details.get("kind", ""), Internal)(**fields)
