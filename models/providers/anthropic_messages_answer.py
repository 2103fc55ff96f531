"""Anthropic messages: the whole answer, and what a streamed one has in common with it.

Source: anthropic 2.12, types/message.py and content_block.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from models.chat import (
    ChatResponse,
    Citation,
    FinishReason,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from models.parts import REST, json_text
from models.providers.failures import garbled
from models.providers.private import BLOCK, Known, kept, rest_of
from models.usage import UNKNOWN, normal_usage, read_counts

PROVIDER = "anthropic"
FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "pause_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
_CALL_FIELDS = ("type", "id", "name", "input")
_SAME: frozenset[str | None] = frozenset(("end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal"))
"""Reasons to stop that the canonical form tells apart, and that an answer has in the end."""
KNOWN_USAGE: Known = {
    "input_tokens": True,
    "cache_read_input_tokens": True,
    "cache_creation_input_tokens": True,
    "cache_creation": {"ephemeral_5m_input_tokens": True, "ephemeral_1h_input_tokens": True},
    "output_tokens": True,
    "output_tokens_details": {"thinking_tokens": True},
    "service_tier": True,
    "cost": True,
}
KNOWN_STOP: Known = {
    "stop_reason": True,
    "stop_sequence": True,
    "stop_details": {"type": True, "explanation": True, "category": None},
}
KNOWN_BLOCK: Known = {
    "type": True,
    "text": True,
    "thinking": True,
    "signature": True,
    "data": True,
    "citations": True,
}
KNOWN: Known = {
    "id": True,
    "type": True,
    "role": True,
    "model": True,
    "content": True,
    "usage": KNOWN_USAGE,
    **KNOWN_STOP,
}
READ_BLOCKS = ("text", "thinking", "redacted_thinking")
"""Blocks that come apart into canonical parts; others are kept whole."""


class _CacheCreation(Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _OutputDetails(Struct, frozen=True, gc=False):
    thinking_tokens: int = 0


class _ServerTools(Struct, frozen=True, gc=False):
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None


class Counted(Struct, frozen=True, gc=False):
    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None
    server_tool_use: _ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None

    @property
    def tier(self) -> str:
        """What decides the price: fast mode has one of its own, and is no service tier to Anthropic."""
        return "fast" if self.speed == "fast" else self.service_tier or ""


class Block(Struct, frozen=True):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    citations: list[dict[str, Any]] | None = None


class StopDetails(Struct, frozen=True, gc=False):
    explanation: str | None = None


class Answer(Struct, frozen=True):
    content: list[dict[str, Any]]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Any = None
    """Read apart: an answer is good whatever its usage is."""


def decode(
    body: dict[str, Any], *, tool_names: Mapping[str, str] | None = None, keep_rest: bool = False
) -> ChatResponse:
    """`tool_names` gives back the caller's names: see `names.original_names`."""
    try:
        answer = msgspec.convert(body, Answer)
        parts = [_part(block, tool_names or {}) for block in answer.content]
    except msgspec.ValidationError as error:
        raise garbled(str(error), provider=PROVIDER) from None
    if answer.stop_reason is None:
        raise garbled("the answer has no stop_reason", provider=PROVIDER, model=answer.model)
    usage = read_counts(answer.usage, Counted)
    if answer.stop_details and answer.stop_details.explanation:
        parts.append(Refusal(answer.stop_details.explanation))
    return ChatResponse(
        id=answer.id,
        model=answer.model,
        parts=tuple(parts),
        finish=FINISH.get(answer.stop_reason, "stop"),
        usage=normal(usage),
        stop_sequence=answer.stop_sequence or "",
        service_tier=usage.tier if usage else "",
        opaque=kept(_rest(body), PROVIDER) if keep_rest else (),
    )


def _rest(body: dict[str, Any]) -> dict[str, Any]:
    rest = rest_of(body, KNOWN) | stop_rest(body)
    blocks = [rest_of(b, KNOWN_BLOCK) if b.get("type") in READ_BLOCKS else {} for b in body["content"]]
    return rest | {"content": blocks} if any(blocks) else rest


def stop_rest(stop: Mapping[str, Any]) -> dict[str, Any]:
    """A reason to stop that the canonical form takes for another."""
    reason = stop.get("stop_reason")
    return {} if reason in _SAME else {"stop_reason": reason}


def decode_usage(usage: object) -> Usage:
    """The `usage` object in the normal form, or UNKNOWN."""
    return normal(read_counts(usage, Counted))


def own_block(raw: dict[str, Any]) -> Opaque:
    """A block that has no canonical part: of a tool that the provider ran itself, or one to come."""
    return Opaque(PROVIDER, BLOCK, json_text(raw))


def tool_call(raw: dict[str, Any], names: Mapping[str, str]) -> ToolCall:
    block = msgspec.convert(raw, Block)
    if not block.id or not block.name:
        raise garbled("a tool call without id or name", provider=PROVIDER)
    rest = {field: value for field, value in raw.items() if field not in _CALL_FIELDS and value is not None}
    own = (Opaque(PROVIDER, REST, json_text(rest)),) if rest else ()
    return ToolCall(block.id, names.get(block.name, block.name), json_text(block.input or {}), own)


def _part(raw: dict[str, Any], names: Mapping[str, str]) -> Part:
    kind = raw.get("type")
    if kind == "tool_use":
        return tool_call(raw, names)
    if kind not in READ_BLOCKS:
        return Native(own_block(raw))
    block = msgspec.convert(raw, Block)
    match kind:
        case "text":
            return Text(block.text, tuple(map(citation, block.citations or ())))
        case "thinking":
            signed = (Opaque(PROVIDER, "signature", block.signature),) if block.signature else ()
            return Thinking(block.thinking, signed)
        case _:
            return Thinking(opaque=(Opaque(PROVIDER, "redacted_thinking", block.data),))


def citation(cited: dict[str, Any]) -> Citation:
    def word(*fields: str) -> str:
        return next((value for field in fields if isinstance(value := cited.get(field), str)), "")

    return Citation(
        text=word("cited_text"),
        title=word("title", "document_title"),
        url=word("url", "source"),
        opaque=Opaque(PROVIDER, "citation", json_text(cited)),
    )


def normal(usage: Counted | None) -> Usage:
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return UNKNOWN
    split = usage.cache_creation or _CacheCreation(usage.cache_creation_input_tokens or 0)
    hour = split.ephemeral_1h_input_tokens
    # A stream's last word gives the total alone: what it added since the split is of the default lifetime.
    written = max(usage.cache_creation_input_tokens or 0, split.ephemeral_5m_input_tokens + hour)
    tools = usage.server_tool_use or _ServerTools()
    return normal_usage(
        "excluded",
        input=usage.input_tokens,
        output=usage.output_tokens,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        tool_uses={
            "web_search": tools.web_search_requests or 0,
            "web_fetch": tools.web_fetch_requests or 0,
        },
    )
