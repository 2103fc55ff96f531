"""What a host is, and what is asked of the SDK client in front of it."""

from dataclasses import dataclass
from typing import Literal, runtime_checkable
from typing import Protocol as Interface
from urllib.parse import urlsplit

from pydantic import SecretStr

from models.providers.transport import LeanClient, ResponseBody

_TELLING_CHARS = 4
"""Shorter than that it may be part of any word."""

Protocol = Literal["openai_chat", "anthropic_messages", "google_generate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """Someone who serves models: whom to call, in which protocol, as whom."""

    id: str
    """What errors, prices and health call it: `openai`, `groq`, `sandbox`…"""
    protocol: Protocol
    key: SecretStr
    base_url: str | None = None
    """None is the SDK's own default."""
    max_connections: int = 2_048
    connect_timeout_s: float = 5.0
    """Where a call does not say; a free connection of the pool is waited for as long."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody is to be told: where it is called, and as whom."""
        known = (self.key.get_secret_value(), urlsplit(self.base_url or "").netloc)
        return tuple(secret for secret in known if len(secret) >= _TELLING_CHARS)

    def http_client(self) -> LeanClient:
        return LeanClient(max_connections=self.max_connections, connect_timeout_s=self.connect_timeout_s)


class SdkClient(Interface):
    """An official SDK, spoken to in bytes. It never retries: whether to is the gateway's to decide."""

    errors: tuple[type[Exception], ...]
    """What the SDK raises. One with an `httpx2.Response` as `response` is an answer with an error
    status, read; others are, or have as their cause, an `httpx2.TransportError`."""

    async def generate(
        self, body: bytes, *, model: str, stream: bool, connect_timeout_s: float
    ) -> ResponseBody:
        """The body of a successful answer, unread."""
        ...

    async def models(self, connect_timeout_s: float) -> ResponseBody:
        """The first page of the models that the key may use."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class EmbeddingClient(Interface):
    """What the clients of providers with embeddings have besides."""

    async def embed(self, body: bytes, *, model: str, connect_timeout_s: float) -> ResponseBody:
        """The body of a successful answer, unread."""
        ...
