"""What a request that is over a limit is told."""

from collections.abc import Sequence
from typing import ClassVar

from models.errors import PolyvoxError
from models.limits.limit import Rate


class RateLimited(PolyvoxError):
    """Over one of the limits that are set here: nothing was started. `retry_after_s` is always known."""

    code: ClassVar[str] = "rate_limit_exceeded"
    retryable: ClassVar[bool] = True
    rates: Sequence[Rate] = ()
    """How the limits that count stand, for the answer's headers; it stays in this process."""
