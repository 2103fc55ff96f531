"""Short ways to write a request, and to have it encoded for a model."""

from typing import Any

from models.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from models.providers import anthropic_messages, google_generate, openai_chat
from models.providers.profiles import Profiles

PROFILES = Profiles.load()
LOOK = Tool("look", "Looks", {"type": "object", "properties": {"at": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def openai(request: ChatRequest, model: str = "gpt-4o") -> dict[str, Any]:
    return openai_chat.encode(request, model=model, profile=PROFILES.for_model("openai", model))


def anthropic(request: ChatRequest, model: str = "claude-opus-5-5", **options: Any) -> dict[str, Any]:
    profile = PROFILES.for_model("anthropic", model)
    return anthropic_messages.encode(
        request, model=model, profile=profile, **{"max_output_tokens": 64_000, **options}
    )


def google(request: ChatRequest, model: str = "gemini-3.5-flash") -> dict[str, Any]:
    return google_generate.encode(request, model=model, profile=PROFILES.for_model("google", model))


def say(role: Role, *parts: Part | str, name: str = "") -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts), name)


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="auto", messages=messages or (say("user", "hi"),), **fields)


def call(id: str = "c1", at: str = "Oslo", *opaque: Opaque) -> ToolCall:
    return ToolCall(id, "look", f'{{"at":"{at}"}}', opaque)


def result(id: str = "c1", *parts: Text | Image | File, **fields: Any) -> ToolResult:
    return ToolResult(id, parts or (Text("3C"),), **fields)
