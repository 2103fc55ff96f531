"""What reading any provider's reports takes: a client that keeps its key to itself, errors of one tree."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import msgspec

from models.errors import (
    ProviderAuthFailed,
    ProviderError,
    ProviderGarbled,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from models.money import PICO_PER_USD

TIMEOUT_S = 60.0
"""For one page."""

_BY_STATUS: dict[int, type[ProviderError]] = {
    401: ProviderAuthFailed,
    403: ProviderAuthFailed,
    429: ProviderRateLimited,
}


def report_client() -> httpx2.AsyncClient:
    """Follows no redirect: an administrator's key goes to no other host."""
    return httpx2.AsyncClient(follow_redirects=False, timeout=TIMEOUT_S)


@contextmanager
def errors_of(provider: str, sdk: type[Exception] = httpx2.HTTPError) -> Iterator[None]:
    """What an SDK or the network raises becomes a ProviderError without its message: that may quote a key."""
    try:
        yield
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise ProviderTimeout("its report did not come in time", provider=provider) from error
    except (httpx2.HTTPError, sdk) as error:
        raise _failure(provider, error) from error
    except (msgspec.MsgspecError, ArithmeticError, ValueError) as error:
        raise ProviderGarbled("its report cannot be read", provider=provider) from error


def _failure(provider: str, error: Exception) -> ProviderError:
    response = getattr(error, "response", None)
    if not isinstance(response, httpx2.Response):
        if isinstance(error.__cause__, httpx2.TimeoutException):
            return ProviderTimeout("its report did not come in time", provider=provider)
        return ProviderUnavailable("its reports cannot be reached", provider=provider)
    status = response.status_code
    kind = _BY_STATUS.get(status, ProviderUnavailable if status >= 500 else ProviderRefused)
    return kind(f"its report was answered with {status}", provider=provider, status=status)


def in_usd(amount: Decimal, currency: str) -> Decimal:
    """The amount; ValueError for one in another currency."""
    if currency.lower() != "usd":
        raise ValueError(f"an amount in {currency}")
    return amount


def pico_of(amount: Decimal, *, per_usd: int = 1) -> int:
    """A reported amount, `per_usd` units of which are a dollar, in pico-USD; what is finer is rounded."""
    return round(amount * PICO_PER_USD / per_usd)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
