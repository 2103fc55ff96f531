"""Who asks: API keys, and the principal that a key stands for."""

from models.identity.authenticator import Authenticator
from models.identity.keyring import IssuedKey, KeyRing
from models.identity.memory import InMemoryKeyStore
from models.identity.postgres import PostgresKeyStore
from models.identity.principal import ADMIN, Principal
from models.identity.secret_file import ensure_pepper, load_pepper
from models.identity.store import Directory, KeyRecord, KeyStore, Team

__all__ = [
    "ADMIN",
    "Authenticator",
    "Directory",
    "InMemoryKeyStore",
    "IssuedKey",
    "KeyRecord",
    "KeyRing",
    "KeyStore",
    "PostgresKeyStore",
    "Principal",
    "Team",
    "ensure_pepper",
    "load_pepper",
]
