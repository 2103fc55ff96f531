"""Gemini's generateContent as an answer, whole, and what a streamed one has in common with it.

Source: google-genai 3.4, types.py (GenerateContentResponse). `usageMetadata.cost` is ours. Thought signatures
of Gemini's own come out as they came in; thoughts of others come without.
"""

from collections.abc import Iterable
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
from models.dialects.ask import arguments, laid, opened, own, rest_of
from models.dialects.logprobs import gemini_result, told
from models.dialects.tiers import tier_told
from models.money import usd_text
from models.parts import MADE_ID, REST, artefact

Json = dict[str, Any]

PROVIDER = "google"
SIGNATURE = "thought_signature"
FINISH: dict[FinishReason, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
}

_json = msgspec.json.Encoder().encode


def encode(response: ChatResponse, *, id: str, model: str, cost_pico: int | None) -> bytes:
    """`model` is the one that served it, by its catalogue id."""
    parts = [wire for part in response.parts if (wire := _part(part)) is not None]
    cited = [c for part in response.parts if isinstance(part, Text) for c in part.citations]
    rest = rest_of(response.opaque, PROVIDER)
    is_grounded = any("groundingMetadata" in one for one in rest.get("candidates", ()))
    found = ({} if is_grounded else grounding(cited)) | gemini_result(told(response.opaque))
    candidate = end_of(response.finish, parts or [{"text": ""}]) | found
    body = {
        "candidates": [candidate],
        "usageMetadata": usage_fields(response.usage, cost_pico, tier=response.service_tier),
        "modelVersion": model,
        "responseId": id,
    }
    return _json(laid(body, rest) if rest else body)


def end_of(finish: FinishReason, parts: list[Json]) -> Json:
    """The candidate whose answer ends with these parts."""
    return {"content": {"parts": parts, "role": "model"}, "finishReason": FINISH[finish], "index": 0}


def grounding(citations: Iterable[Citation]) -> Json:
    """Where an answer came from, as fields of a candidate."""
    chunks = [{"web": {"uri": cited.url, "title": cited.title}} for cited in citations if cited.url]
    return {"groundingMetadata": {"groundingChunks": chunks}} if chunks else {}


def usage_fields(usage: Usage, cost_pico: int | None, *, tier: str = "") -> Json:
    """Thoughts stand beside the candidates' count; what a cache served is a part of the prompt's."""
    fields: Json = {
        "promptTokenCount": usage.total_input,
        "candidatesTokenCount": usage.total_output - usage.reasoning,
        "totalTokenCount": usage.total_input + usage.total_output,
    }
    if cached := usage.cache_read + usage.cache_read_audio:
        fields["cachedContentTokenCount"] = cached
    if usage.reasoning:
        fields["thoughtsTokenCount"] = usage.reasoning
    if told := tier_told(tier, plain="standard"):
        fields["serviceTier"] = told
    if cost_pico is not None:
        fields["cost"] = Raw(usd_text(cost_pico).encode())
    return fields


def function_call(id: str, name: str, written: str, held: tuple[Opaque, ...]) -> Json:
    """Without an id where Gemini itself gave none."""
    call: Json = {"name": name, "args": arguments(written)}
    if artefact(held, PROVIDER, MADE_ID) is None:
        call["id"] = id
    return signed({"functionCall": call}, held)


def signed(wire: Json, held: tuple[Opaque, ...]) -> Json:
    """With the signature that came with the part, and what else stood beside its data."""
    if not held:
        return wire
    if signature := artefact(held, PROVIDER, SIGNATURE):
        wire["thoughtSignature"] = signature
    return {**wire, **own(held, PROVIDER, REST)}


def native(opaque: Opaque) -> Json | None:
    """A part of Gemini's own, as it was."""
    return opened(opaque.value) or None if opaque.provider == PROVIDER else None


def _part(part: Part) -> Json | None:
    match part:
        case Text(text=text):
            return signed({"text": text}, part.opaque)
        case Thinking(text=text):
            shown = signed({"text": text, "thought": True}, part.opaque)
            return shown if text or "thoughtSignature" in shown else None
        case ToolCall():
            return function_call(part.id, part.name, part.arguments, part.opaque)
        case Refusal(text=text):
            return {"text": text}
        case Image():
            return signed({"inlineData": {"mimeType": part.media_type, "data": part.data}}, part.opaque)
        case Native(opaque=opaque):
            return native(opaque)
        case _:
            return None


def encode_error(fields: Json) -> bytes:
    """`fields`: code, message, status, details."""
    return _json({"error": fields})
