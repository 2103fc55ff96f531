"""Who calls: the API key of a request's headers, checked."""

from collections.abc import Mapping
from typing import Protocol

from models.errors import Unauthenticated
from models.identity import Principal

_BEARER = b"bearer "


class Authenticator(Protocol):
    async def authenticate(self, presented: str) -> Principal:
        """Raises Unauthenticated; Overloaded where it cannot tell."""
        ...


async def principal_of(headers: Mapping[bytes, bytes], authenticator: Authenticator) -> Principal:
    """Raises Unauthenticated also where there is no key at all."""
    authorization = headers.get(b"authorization", b"")
    if authorization[:7].lower() != _BEARER:
        raise Unauthenticated("no API key: send `Authorization: Bearer <key>`")
    try:
        presented = authorization[7:].strip().decode("ascii")
    except UnicodeDecodeError:
        raise Unauthenticated("that is not an API key") from None
    return await authenticator.authenticate(presented)
