"""Who asks: API keys, and the principal that a key stands for."""

from models.identity.authenticator import Authenticator
from models.identity.keyring import IssuedKey, KeyRing
from models.identity.postgres import PostgresKeyStore
from models.identity.principal import ADMIN, Principal
from models.identity.secret_file import ensure_pepper, load_pepper
from models.identity.store import InMemoryKeyStore, KeyRecord, KeyStore

__all__ = [
    "ADMIN",
    "Authenticator",
    "InMemoryKeyStore",
    "IssuedKey",
    "KeyRecord",
    "KeyRing",
    "KeyStore",
    "PostgresKeyStore",
    "Principal",
    "ensure_pepper",
    "load_pepper",
]
