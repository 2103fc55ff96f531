"""The wire modules behind one interface: how requests and answers are written in each protocol."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast
from typing import Protocol as Interface

from models.chat import ChatRequest, ChatResponse, Chunk
from models.errors import PolyvoxError
from models.providers.clients import Protocol
from models.providers.profiles import Profile, WireProvider


class StreamDecoder(Interface):
    def __init__(
        self, *, provider: str, model: str, tool_names: Mapping[str, str], keep_rest: bool
    ) -> None: ...

    def feed(self, event: str, data: bytes) -> list[Chunk]: ...

    def finish(self) -> list[Chunk]:
        """What remains to be said once the stream is over."""
        ...


class Wire(Interface):
    """What a wire module offers: pure functions, no I/O."""

    def encode(
        self, request: ChatRequest, *, model: str, profile: Profile, max_output_tokens: int
    ) -> dict[str, Any]: ...

    def decode(
        self, body: dict[str, Any], *, tool_names: Mapping[str, str], keep_rest: bool
    ) -> ChatResponse: ...

    @property
    def StreamDecoder(self) -> type[StreamDecoder]: ...

    def error_from(
        self, status: int, body: bytes, headers: Mapping[str, str], *, provider: str, model: str
    ) -> PolyvoxError: ...


PROFILE_FAMILY: dict[Protocol, WireProvider] = {
    "openai_chat": "openai",
    "anthropic_messages": "anthropic",
    "google_generate": "google",
}
"""Whose rows of the profile table a protocol's models are looked up in."""


def wire_for(protocol: Protocol) -> Wire:
    return cast(Wire, import_module(f"models.providers.{protocol}"))
