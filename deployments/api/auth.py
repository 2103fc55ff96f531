"""Who calls: the API key of a request, wherever its dialect puts it, checked."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs

from models.errors import Unauthenticated
from models.identity import Principal

_BEARER = b"bearer "
_HEADERS = (b"x-api-key", b"x-goog-api-key")
_QUERY = b"key"


class Authenticator(Protocol):
    async def authenticate(self, presented: str) -> Principal:
        """Raises Unauthenticated; Overloaded where it cannot tell."""
        ...


async def principal_of(
    headers: Mapping[bytes, bytes], authenticator: Authenticator, *, query: bytes = b""
) -> Principal:
    """Raises Unauthenticated also where there is no key at all."""
    presented = _presented(headers) or (_in_query(query) if query else b"")
    if not presented:
        raise Unauthenticated(
            "no API key: send `Authorization: Bearer <key>`, `x-api-key`, or `x-goog-api-key`"
        )
    try:
        key = presented.decode("ascii")
    except UnicodeDecodeError:
        raise Unauthenticated("that is not an API key") from None
    return await authenticator.authenticate(key)


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    authorization = headers.get(b"authorization", b"")
    if authorization[:7].lower() == _BEARER and (key := authorization[7:].strip()):
        return key
    return next((key for name in _HEADERS if (key := headers.get(name, b"").strip())), b"")


def _in_query(query: bytes) -> bytes:
    """As Google's API takes it. Nothing that is logged or answered holds a query."""
    if _QUERY not in query:
        return b""
    try:
        return next(iter(parse_qs(query, max_num_fields=100).get(_QUERY, ())), b"").strip()
    except ValueError:
        raise Unauthenticated("the query has too many fields") from None
