"""One official SDK client per host. An SDK is imported when the first host that speaks its protocol is."""

from importlib import import_module
from typing import assert_never

from models.providers.clients.host import EmbeddingClient, Host, Protocol, SdkClient

__all__ = ["EmbeddingClient", "Host", "Protocol", "SdkClient", "connect", "preload"]


def connect(host: Host) -> SdkClient:
    """The host's client. No connection is opened before the first call."""
    match host.protocol:
        case "openai_chat":
            from models.providers.clients.openai import OpenAIClient

            return OpenAIClient(host)
        case "anthropic_messages":
            from models.providers.clients.anthropic import AnthropicClient

            return AnthropicClient(host)
        case "google_generate":
            from models.providers.clients.google import GoogleClient

            return GoogleClient(host)
        case _:
            assert_never(host.protocol)


def preload(protocol: Protocol) -> None:
    """Import the SDK that speaks `protocol` now: it takes half a second."""
    name = protocol.partition("_")[0]
    import_module(f"models.providers.clients.{name}")
