"""Signatures of simulated thoughts: opaque to clients, checked when they are replayed."""

import base64
import hashlib
from typing import Any

import orjson

from deployments.sandbox.exchange import Provider

_KEY = b"polyvox sandbox"
"""Public: it makes tampering show in tests and protects nothing."""


def sign(provider: Provider, text: str, *, binding: str = "") -> str:
    """Of `text`, good at `provider` only, and after exactly the prefix that `binding` is the digest of."""
    mac = hashlib.blake2b(f"{provider}\0{text}\0{binding}".encode(), key=_KEY, digest_size=24).digest()
    # 27 bytes: base64 without padding, so that it survives clients that decode and encode it again.
    signature = base64.urlsafe_b64encode(b"sim" + mac).decode()
    return f"{signature}.{binding}" if binding else signature


def genuine(signature: str, provider: Provider, text: str) -> bool:
    return signature == sign(provider, text, binding=bound_to(signature))


def bound_to(signature: str) -> str:
    """The digest that the signature carries, "" when it is bound to none."""
    return signature.partition(".")[2]


def seal(provider: Provider, text: str) -> str:
    """`text` together with its signature, as one opaque artefact."""
    return sign(provider, text) + "." + base64.urlsafe_b64encode(text.encode()).decode()


def unsealed(artefact: str, provider: Provider) -> str | None:
    """The text inside, None when the artefact is not this provider's or was changed."""
    signature, _, encoded = artefact.partition(".")
    try:
        text = base64.urlsafe_b64decode(encoded).decode()
    except ValueError:
        return None
    return text if signature == sign(provider, text) else None


def digest(document: Any) -> str:
    return hashlib.blake2b(orjson.dumps(document, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()
