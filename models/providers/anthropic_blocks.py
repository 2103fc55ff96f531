"""Anthropic messages: the parts of a turn as content blocks.

Source: anthropic 2.12, types/*_block_param.py.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from models.chat import File, Image, Message, Native, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from models.parts import artefact
from models.providers import media, parameters
from models.providers.history import Home, Turn
from models.providers.names import tool_name
from models.providers.private import BLOCK, opened, restored
from models.providers.profiles import Profile

Json = dict[str, Any]

PROVIDER = "anthropic"
HOME = Home(PROVIDER, frozenset(("signature", "redacted_thinking", BLOCK)), ends_on_thinking=False)
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def blocks(turn: Turn, profile: Profile) -> list[Json]:
    return [block for part in turn.parts if (block := _block(part, turn, profile))]


def text_block(part: Text) -> Json:
    return restored(marked({"type": "text", "text": part.text}, part.cache), part.opaque, PROVIDER)


def marked(block: Json, ttl: str | None) -> Json:
    if ttl:
        block["cache_control"] = {"type": "ephemeral"} | ({"ttl": "1h"} if ttl == "1h" else {})
    return block


def unbound(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Without what is good only in the history that it was made in: thinking, and places of citations."""
    return tuple(replace(message, parts=tuple(_unbound(message.parts))) for message in messages)


def with_whole_server_tools(messages: Sequence[Message]) -> Sequence[Message]:
    """Without uses of server tools that have no result, and results whose use is gone: both are refused."""
    loose: set[tuple[int, int]] = set()
    open_uses: dict[str, tuple[int, int]] = {}
    for at, message in enumerate(messages):
        if message.role != "assistant":
            loose.update(open_uses.values())  # an answer has its results before anybody else speaks
            open_uses = {}
        for nth, part in enumerate(message.parts):
            if not isinstance(part, Native) or part.opaque.provider != PROVIDER:
                continue
            block = opened(part.opaque.value)
            used, answered = str(block.get("id", "")), str(block.get("tool_use_id", ""))
            if _is_use(block):
                if (earlier := open_uses.pop(used, None)) is not None:
                    loose.add(earlier)
                open_uses[used] = (at, nth)
            elif answered and open_uses.pop(answered, None) is None:
                loose.add((at, nth))
    loose.update(open_uses.values())
    if not loose:
        return messages
    return [
        replace(message, parts=tuple(p for nth, p in enumerate(message.parts) if (at, nth) not in loose))
        for at, message in enumerate(messages)
    ]


def _is_use(block: Json) -> bool:
    return str(block.get("type", "")).endswith("_tool_use")


def _unbound(parts: Sequence[Part]) -> list[Part]:
    kept = [part for part in parts if not isinstance(part, Thinking)]
    return [
        replace(part, citations=()) if isinstance(part, Text) and part.citations else part for part in kept
    ]


def _block(part: Part, turn: Turn, profile: Profile) -> Json | None:
    match part:
        case Text():
            return _cited(part, turn)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Thinking():
            return _thinking(part)
        case ToolCall():
            name, given = tool_name(part.name, profile), parameters.arguments(part.arguments)
            block = {"type": "tool_use", "id": part.id, "name": name, "input": given}
            return restored(block, part.opaque, PROVIDER)
        case ToolResult():
            return _result(part)
        case Native():
            return opened(part.opaque.value) or None
        case Image() | File() if turn.role == "assistant":
            return text_block(media.note(part))
        case Image():
            return _image(part)
        case File():
            return _document(part)


def _cited(part: Text, turn: Turn) -> Json:
    block = text_block(part)
    if turn.role == "assistant":
        held = [cited.opaque for cited in part.citations if cited.opaque]
        if own := [opened(o.value) for o in held if o.provider == PROVIDER and o.kind == "citation"]:
            block["citations"] = own
    return block


def _thinking(part: Thinking) -> Json | None:
    if redacted := artefact(part.opaque, PROVIDER, "redacted_thinking"):
        return {"type": "redacted_thinking", "data": redacted}
    if not (signature := artefact(part.opaque, PROVIDER, "signature")):
        return None
    block = {"type": "thinking", "thinking": part.text, "signature": signature}
    return restored(block, part.opaque, PROVIDER)


def _result(result: ToolResult) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": result.call_id}
    content = [inner for part in result.parts if (inner := _inner(part))]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if result.is_error:
        block["is_error"] = True
    return restored(marked(block, result.cache), result.opaque, PROVIDER)


def _inner(part: Text | Image | File | Native) -> Json:
    match part:
        case Text():
            return text_block(part)
        case Image():
            return _image(part)
        case File():
            return _document(part)
        case Native():
            return opened(part.opaque.value)


def _image(part: Image) -> Json:
    source: Json
    if part.data and media.media_type(part) in _IMAGE_TYPES:
        source = {"type": "base64", "media_type": media.media_type(part), "data": part.data}
    elif part.url:
        source = {"type": "url", "url": part.url}
    elif media.owned_by(part, PROVIDER):
        source = {"type": "file", "file_id": part.file_id}
    else:
        return marked(text_block(media.note(part)), part.cache)
    return restored(marked({"type": "image", "source": source}, part.cache), part.opaque, PROVIDER)


def _document(part: File) -> Json:
    source: Json
    text, kind = media.plain_text(part), media.media_type(part)
    if text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif part.data and kind == "application/pdf":
        source = {"type": "base64", "media_type": "application/pdf", "data": part.data}
    elif part.url and kind == "application/pdf":
        source = {"type": "url", "url": part.url}
    elif media.owned_by(part, PROVIDER):
        source = {"type": "file", "file_id": part.file_id}
    else:
        return marked(text_block(media.note(part)), part.cache)
    block: Json = {"type": "document", "source": source}
    if part.filename:
        block["title"] = part.filename
    return restored(marked(block, part.cache), part.opaque, PROVIDER)
