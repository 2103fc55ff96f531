"""API keys `pvx_<id>_<secret>`: how they are made, read and recognised.

The id (12 base62 characters) is public and names the row; the secret (256 random bits in base62) is never
stored: the database holds an HMAC-SHA256 of the whole key under a pepper that lies outside of it.
"""

import hmac
import re
import secrets
import string

_PREFIX = "pvx"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_CHARS = 12
_SECRET_BITS = 256
_SECRET_CHARS = 43
"""62⁴³ > 2²⁵⁶ > 62⁴²."""
_KEY = re.compile(rf"{_PREFIX}_([0-9A-Za-z]{{{_ID_CHARS}}})_[0-9A-Za-z]{{{_SECRET_CHARS}}}", re.ASCII)


def new_key() -> tuple[str, str]:
    """A fresh id and the whole key."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_CHARS))
    return key_id, f"{_PREFIX}_{key_id}_{_base62(secrets.randbits(_SECRET_BITS))}"


def key_id_of(key: str) -> str | None:
    """The id inside `key`; None if it does not have the form of a key."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def mac_of(key: str, *, pepper: bytes) -> bytes:
    return hmac.digest(pepper, key.encode(), "sha256")


def same_mac(one: bytes, other: bytes) -> bool:
    """Takes as long for a near miss as for a far one."""
    return hmac.compare_digest(one, other)


def _base62(number: int) -> str:
    digits = []
    for _ in range(_SECRET_CHARS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
