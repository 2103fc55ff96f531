"""Who calls: the API key of a request, wherever its dialect puts it, checked."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qs

from models.errors import Unauthenticated
from models.identity import Principal

_BEARER = b"bearer "
_HEADERS = (b"x-api-key", b"x-goog-api-key")
_QUERY = "key"


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
    if _QUERY.encode() not in query:
        return b""
    try:
        asked = parse_qs(query.decode("latin-1"), encoding="latin-1", max_num_fields=100)
    except ValueError:
        raise Unauthenticated("the query has too many fields") from None
    return next(iter(asked.get(_QUERY, ())), "").strip().encode("latin-1")
