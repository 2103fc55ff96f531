"""Anthropic's message as an answer, whole, and what a streamed one has in common with it.

Source: anthropic 2.12, types/message.py, content_block.py and usage.py. `usage.cost` is ours. Artefacts of
Anthropic's own come out as they came in; thoughts of others come without a signature.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from models.chat import (
    ChatResponse,
    Citation,
    FinishReason,
    Image,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from models.dialects.anthropic_blocks import FOUND
from models.dialects.ask import arguments, laid, opened, own, rest_of
from models.dialects.tiers import tier_told
from models.money import usd_text
from models.parts import REST, artefact

PROVIDER = "anthropic"
_STOP_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_TIERS = ("standard", "priority", "batch")
_NOT_SHOWN = {"type": "text", "text": "[not shown: a picture]", "citations": None}

_json = msgspec.json.Encoder().encode


def encode(response: ChatResponse, *, id: str, model: str, cost_pico: int | None, is_own: bool) -> bytes:
    """`model` is the one that served it, by its catalogue id; `is_own` says whether it is Anthropic's."""
    content = [block for part in response.parts for block in _blocks(part, is_own=is_own)]
    explained = next((part.text for part in response.parts if isinstance(part, Refusal)), None)
    message = envelope(id=id, model=model) | {
        "content": content,
        **stop_fields(response.finish, response.stop_sequence, explained),
        "usage": usage_fields(response.usage, cost_pico, tier=response.service_tier),
    }
    return _json(laid(message, rest) if (rest := rest_of(response.opaque, PROVIDER)) else message)


def envelope(*, id: str, model: str) -> dict[str, Any]:
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def stop_fields(finish: FinishReason, stop_sequence: str, explained: str | None) -> dict[str, Any]:
    reason = "stop_sequence" if finish == "stop" and stop_sequence else _STOP_REASONS[finish]
    fields: dict[str, Any] = {"stop_reason": reason, "stop_sequence": stop_sequence or None}
    if reason == "refusal":
        fields["stop_details"] = {"type": "refusal", "category": None, "explanation": explained}
    return fields


def usage_fields(usage: Usage, cost_pico: int | None, *, tier: str = "") -> dict[str, Any]:
    """Tokens that a cache served or stored are not among `input_tokens`."""
    short, long = usage.cache_write_5m, usage.cache_write_1h
    fields: dict[str, Any] = {
        "input_tokens": usage.input + usage.audio_input + usage.image_input,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": usage.cache_read + usage.cache_read_audio,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.total_output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": told if (told := tier_told(tier, plain="standard")) in _TIERS else None,
    }
    if cost_pico is not None:
        fields["cost"] = Raw(usd_text(cost_pico).encode())
    return fields


def tool_use(id: str, name: str, given: Any, held: tuple[Opaque, ...]) -> dict[str, Any]:
    block = {"type": "tool_use", "id": id, "name": name, "input": given}
    return {**block, **own(held, PROVIDER, REST)} if held else block


def citation(cited: Citation, *, is_own: bool) -> dict[str, Any]:
    """Of a source that another provider knows by its address, what a search of the web would have found."""
    if cited.opaque is not None and cited.opaque.provider == PROVIDER:
        return opened(cited.opaque.value)
    if is_own or not cited.url:
        return {}
    found = {"url": cited.url, "title": cited.title, "cited_text": cited.text}
    return {"type": FOUND, **found, "encrypted_index": ""}


def native(opaque: Opaque) -> dict[str, Any] | None:
    """A block of Anthropic's own, as it was."""
    return opened(opaque.value) or None if opaque.provider == PROVIDER else None


def _blocks(part: Part, *, is_own: bool) -> Iterator[dict[str, Any]]:
    match part:
        case Text(text=text):
            cited = [said for one in part.citations if (said := citation(one, is_own=is_own))]
            yield {"type": "text", "text": text, "citations": cited or None}
        case Thinking():
            yield from _thinking(part)
        case ToolCall():
            yield tool_use(part.id, part.name, arguments(part.arguments), part.opaque)
        case Refusal(text=text) if not is_own:
            yield {"type": "text", "text": text, "citations": None}
        case Native(opaque=opaque) if (block := native(opaque)) is not None:
            yield block
        case Image():
            yield _NOT_SHOWN
        case _:
            pass


def _thinking(part: Thinking) -> Iterator[dict[str, Any]]:
    if (redacted := artefact(part.opaque, PROVIDER, "redacted_thinking")) is not None:
        yield {"type": "redacted_thinking", "data": redacted}
        return
    signature = artefact(part.opaque, PROVIDER, "signature") or ""
    if part.text or signature:
        yield {"type": "thinking", "thinking": part.text, "signature": signature}


def encode_error(fields: dict[str, Any], *, request_id: str) -> bytes:
    """`fields`: type and message, and `details` with a machine-readable `error_code`."""
    return _json({"type": "error", "error": fields, "request_id": request_id})
