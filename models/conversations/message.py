"""Messages as they are written and as they are kept; and what of one can be searched for."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import Struct

from models.chat import (
    File,
    Image,
    Message,
    Native,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.errors import InvalidRequest

MAX_TEXT_BYTES = 128 * 1024
"""As much of a message can be searched for: PostgreSQL's index of one text ends at 1 MiB."""

_TITLE_CHARS = 80


class Producer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which model an answer is of, and what it took."""

    model: str
    provider: str = ""
    api: str = ""
    """The provider's protocol: private artefacts are for the same one."""
    account: str = ""
    """A digest of whose key the provider was called with."""
    request_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: int = 0


class NewMessage(Struct, frozen=True):
    message: Message
    producer: Producer | None = None
    """Of an answer that a model gave."""
    tokens: int = 0
    """An estimate of its length; 0 lets it be made here."""


class StoredMessage(Struct, frozen=True, kw_only=True):
    id: str
    parent_id: str | None = None
    branch: int
    """The branch that it was written to, which may be one that the path forked from."""
    seq: int
    """Counts the messages of the path from 1."""
    version: int
    """The version of the conversation that it came with."""
    message: Message
    producer: Producer | None = None
    tokens: int
    bytes: int
    created_at: datetime


_encode = msgspec.json.Encoder().encode


def encoded(message: Message) -> bytes:
    """Raises InvalidRequest for what no store could give back as it was."""
    results = [isinstance(part, ToolResult) for part in message.parts]
    if any(results) if message.role != "tool" else not all(results):
        raise InvalidRequest(f"a message of role {message.role} cannot have these parts", param="messages")
    try:
        return _encode(message)
    except UnicodeEncodeError:
        raise InvalidRequest("a text holds half a character", param="messages") from None


def searchable(message: Message) -> str:
    """All that was said or shown, without what is private to a provider."""
    text = "\n".join(filter(None, _texts(message.parts))).replace("\0", " ")
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def title_of(messages: Iterable[Message]) -> str:
    """The beginning of what the user said first; empty if it was nothing."""
    for message in messages:
        if message.role == "user" and (words := searchable(message).split()):
            title = " ".join("".join(c if c.isprintable() else " " for c in " ".join(words)).split())
            if title:
                return title if len(title) <= _TITLE_CHARS else title[: _TITLE_CHARS - 1].rstrip() + "…"
    return ""


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text() | Refusal():
                yield part.text
            case File():
                yield from (part.filename, part.text)
            case ToolCall():
                yield from (part.name, part.arguments)
            case ToolResult() | Native():
                yield from _texts(part.parts)
            case Image() | Thinking():
                pass
            case _:
                assert_never(part)
