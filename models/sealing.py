"""Values that only this installation can read, and only where they were put."""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_LENGTH_BYTES = 8


def framed(*parts: bytes) -> bytes:
    """The parts in one, each behind its length: other parts are never the same bytes."""
    return b"".join(len(part).to_bytes(_LENGTH_BYTES) + part for part in parts)


class Seal:
    """AES-256-GCM. What is sealed for one `purpose` is noise for every other."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._cipher = AESGCM(hmac.digest(secret, purpose.encode(), "sha256"))

    def close(self, value: bytes, *place: bytes) -> bytes:
        """`place` says where the value belongs: it has to be known again to open it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, framed(*place))

    def open(self, sealed: bytes, *place: bytes) -> bytes | None:
        """None for whatever was not sealed here, for this place, as it is now."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], framed(*place))
        except (InvalidTag, ValueError):
            return None
