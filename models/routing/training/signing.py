"""Signs an artefact's manifest, so that gateways that trust the key take it."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from models.routing.signature import signed_content


def signature_of(manifest: bytes, key: Path) -> bytes:
    """Raises ValueError if the file is no Ed25519 private key (PEM, not encrypted)."""
    private = load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"{key.name} is no Ed25519 private key")
    return private.sign(signed_content(manifest))


def new_key(private: Path, public: Path) -> None:
    """Writes both halves. Only its owner may read the private one; one that is there is left alone."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    public.parent.mkdir(parents=True, exist_ok=True)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
