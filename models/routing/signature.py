"""Who may give a gateway its classifier: manifests are signed with Ed25519 and checked against known keys."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

BUNDLED_KEYS = Path(__file__).with_name("artefact_keys")
"""Public keys, one a file: that of the artefact which the project comes with."""

_CONTEXT = b"polyvox classifier artefact 1\n"
"""Before what is signed, so that a signature of something else is none of an artefact."""
_MAX_KEYS = 64
_MAX_KEY_BYTES = 4_096


def signed_content(manifest: bytes) -> bytes:
    return _CONTEXT + manifest


def is_signed(manifest: bytes, signature: bytes, *, trusted: Sequence[Path] = ()) -> bool:
    """With a bundled key, or with one of the folders `trusted`. Raises ValueError if one is no key."""
    content = signed_content(manifest)
    keys = list(_keys([BUNDLED_KEYS, *trusted]))
    return any(_verifies(key, signature, content) for key in keys)


def _keys(folders: Sequence[Path]) -> Iterator[Ed25519PublicKey]:
    files = [file for folder in folders for file in sorted(folder.glob("*.pem"))]
    if len(files) > _MAX_KEYS:
        raise ValueError(f"more than {_MAX_KEYS} keys are trusted")
    for file in files:
        with file.open("rb") as opened:
            key = load_pem_public_key(opened.read(_MAX_KEY_BYTES))
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"{file.name} is no Ed25519 public key")
        yield key


def _verifies(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
