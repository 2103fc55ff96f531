"""Gemini generateContent: the whole answer, and what a streamed one has in common with it.

Source: google-genai 3.4, types.py (GenerateContentResponse).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from models.chat import (
    ChatResponse,
    Citation,
    FinishReason,
    Image,
    Native,
    Opaque,
    Part,
    ServerTool,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from models.parts import MADE_ID, json_text
from models.providers.failures import garbled
from models.providers.logprobs import of_google
from models.providers.private import BLOCK, Known, kept, rest_of
from models.usage import UNKNOWN, normal_usage, read_counts

PROVIDER = "google"
_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
"""Every other reason says that the rest was withheld."""
BROKEN = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "OTHER",
    )
)
"""The model broke its own protocol: another attempt may fare better."""
_KNOWN = frozenset(("text", "thoughtSignature", "functionCall", "inlineData"))
_SAME = frozenset(("STOP", "MAX_TOKENS", "SAFETY", None))
"""Reasons to end that the canonical form tells apart, and that an answer has in the end."""
_KNOWN_PART = {
    "text": True,
    "thought": True,
    "thoughtSignature": True,
    "functionCall": {"name": True, "args": True, "id": True},
    "inlineData": {"mimeType": True, "data": True},
}
_KNOWN_CANDIDATE = {"content": {"role": True, "parts": True}, "finishReason": True, "index": True}
_KNOWN_USAGE = {
    "promptTokenCount": True,
    "candidatesTokenCount": True,
    "totalTokenCount": True,
    "thoughtsTokenCount": True,
    "cachedContentTokenCount": True,
    "serviceTier": True,
    "cost": True,
}
_KNOWN_ANSWER: Known = {
    "candidates": [_KNOWN_CANDIDATE],
    "usageMetadata": _KNOWN_USAGE,
    "modelVersion": True,
    "responseId": True,
    "error": True,
}


class _Camel(Struct, frozen=True, rename="camel"):
    pass


class _Modality(_Camel, frozen=True, gc=False):
    modality: str = ""
    token_count: int = 0


class Counted(_Camel, frozen=True):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    service_tier: str | None = None
    """What served the call: may be less than was asked for."""


class FunctionCall(_Camel, frozen=True):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class _Blob(_Camel, frozen=True, gc=False):
    mime_type: str = ""
    data: str = ""


class ReadPart(_Camel, frozen=True):
    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: _Blob | None = None

    @property
    def opaque(self) -> tuple[Opaque, ...]:
        signature = self.thought_signature
        return (Opaque(PROVIDER, "thought_signature", signature),) if signature else ()


class _Content(_Camel, frozen=True):
    parts: list[dict[str, Any]] | None = None


class _Web(_Camel, frozen=True, gc=False):
    uri: str = ""
    title: str = ""


class _GroundingChunk(_Camel, frozen=True):
    web: _Web | None = None
    maps: Any = None


class Grounding(_Camel, frozen=True):
    grounding_chunks: list[_GroundingChunk] | None = None
    web_search_queries: list[str] | None = None

    @property
    def tool_uses(self) -> dict[ServerTool, int]:
        """Each query is a search. Of maps it is only said that they were asked."""
        on_maps = any(chunk.maps for chunk in self.grounding_chunks or ())
        return {"web_search": len(self.web_search_queries or ()), "maps": int(on_maps)}


class Candidate(_Camel, frozen=True):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int = 0
    grounding_metadata: Grounding | None = None
    logprobs_result: Any = None

    @property
    def parts(self) -> list[dict[str, Any]]:
        return (self.content.parts if self.content else None) or []

    @property
    def citations(self) -> tuple[Citation, ...]:
        chunks = (self.grounding_metadata.grounding_chunks if self.grounding_metadata else None) or []
        return tuple(Citation(title=chunk.web.title, url=chunk.web.uri) for chunk in chunks if chunk.web)


class _Feedback(_Camel, frozen=True):
    block_reason: str | None = None


class Answer(_Camel, frozen=True):
    candidates: list[Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Any = None
    """Read apart: an answer is good whatever its usage is."""
    model_version: str = ""
    response_id: str = ""
    error: Any = None


def decode(
    body: dict[str, Any], *, tool_names: Mapping[str, str] | None = None, keep_rest: bool = False
) -> ChatResponse:
    """`tool_names` gives back the caller's names: see `names.original_names`."""
    try:
        answer = msgspec.convert(body, Answer)
        candidate = answer.candidates[0] if answer.candidates else None
        parts = _parts(candidate, answer.response_id, tool_names or {}) if candidate else []
    except msgspec.ValidationError as error:
        raise garbled(str(error), provider=PROVIDER) from None
    reason = end_of(answer, candidate)
    if reason is None or reason in BROKEN:
        raise garbled(f"the answer has finishReason {reason}", provider=PROVIDER, model=answer.model_version)
    usage = read_counts(answer.usage_metadata, Counted)
    return ChatResponse(
        id=answer.response_id,
        model=answer.model_version,
        parts=tuple(parts),
        finish=finish_of(reason, calls=any(isinstance(part, ToolCall) for part in parts)),
        usage=normal(usage, candidate.grounding_metadata if candidate else None),
        service_tier=(usage.service_tier if usage else None) or "",
        opaque=kept(rest_of_answer(body), PROVIDER) if keep_rest else _probabilities(candidate),
    )


def _probabilities(candidate: Candidate | None) -> tuple[Opaque, ...]:
    return of_google(candidate.logprobs_result) if candidate else ()


def rest_of_answer(body: dict[str, Any]) -> dict[str, Any]:
    """What else an answer, or one of a stream's, says."""
    rest = rest_of(body, _KNOWN_ANSWER)
    candidates = body.get("candidates") or []
    if not candidates:
        return rest
    first, more = candidates[0], (rest.get("candidates") or [{}])[0]
    if (reason := first.get("finishReason")) not in _SAME:
        more["finishReason"] = reason
    parts = (first.get("content") or {}).get("parts") or ()
    told = [{} if _KNOWN.isdisjoint(part) else rest_of(part, _KNOWN_PART) for part in parts]
    if any(told):
        more["content"] = more.get("content", {}) | {"parts": told}
    return rest | {"candidates": [more]} if more else rest


def decode_usage(usage: object) -> Usage:
    """The `usageMetadata` object in the normal form, or UNKNOWN."""
    return normal(read_counts(usage, Counted), None)


def read_part(raw: dict[str, Any]) -> ReadPart | Native:
    """A part of a known kind, or one of the provider's own: code that it ran, say."""
    if _KNOWN.isdisjoint(raw):
        return Native(Opaque(PROVIDER, BLOCK, json_text(raw)))
    return msgspec.convert(raw, ReadPart)


def image(part: ReadPart) -> Image | None:
    """What the model drew."""
    blob = part.inline_data
    return Image(blob.mime_type, blob.data, opaque=part.opaque) if blob else None


def _parts(candidate: Candidate, answer_id: str, names: Mapping[str, str]) -> list[Part]:
    parts: list[Part] = []
    for raw in candidate.parts:
        part = read_part(raw)
        if isinstance(part, Native):
            parts.append(part)
        elif part.function_call is not None:
            nth = sum(isinstance(before, ToolCall) for before in parts)
            parts.append(tool_call(part.function_call, part.opaque, answer_id, nth, names))
        elif part.thought:
            parts.append(Thinking(part.text or "", part.opaque))
        elif drawn := image(part):
            parts.append(drawn)
        elif part.text or part.opaque:
            parts.append(Text(part.text or "", opaque=part.opaque))
    if candidate.citations:
        last = next((i for i in reversed(range(len(parts))) if isinstance(parts[i], Text)), None)
        if last is not None:
            parts[last] = replace(parts[last], citations=candidate.citations)
    return parts


def tool_call(
    call: FunctionCall, opaque: tuple[Opaque, ...], answer_id: str, nth: int, names: Mapping[str, str]
) -> ToolCall:
    """Models before Gemini 3 give no ids: the answer's own id makes one that no other answer has."""
    arguments = json_text(call.args or {})
    if call.id:
        return ToolCall(call.id, names.get(call.name, call.name), arguments, opaque)
    made = f"call_{hashlib.sha256(f'{answer_id} {nth}'.encode()).hexdigest()[:16]}"
    own = (*opaque, Opaque(PROVIDER, MADE_ID, "true"))
    return ToolCall(made, names.get(call.name, call.name), arguments, own)


def end_of(answer: Answer, candidate: Candidate | None) -> str | None:
    """Why the answer ended, once it has."""
    if candidate is None and answer.prompt_feedback and answer.prompt_feedback.block_reason:
        return "BLOCKED"
    reason = candidate.finish_reason if candidate else None
    return None if reason == "FINISH_REASON_UNSPECIFIED" else reason


def finish_of(reason: str, *, calls: bool) -> FinishReason:
    finish = _FINISH.get(reason, "content_filter")
    return "tool_calls" if finish == "stop" and calls else finish


def normal(usage: Counted | None, grounding: Grounding | None) -> Usage:
    """Thoughts stand beside the candidates' count, what tools found beside the prompt's."""
    if usage is None or usage.prompt_token_count is None:
        return UNKNOWN
    prompt = usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0)
    thoughts = usage.thoughts_token_count or 0
    answer = usage.candidates_token_count
    if answer is None:
        answer = max((usage.total_token_count or 0) - prompt - thoughts, 0)
    asked = (usage.prompt_tokens_details or []) + (usage.tool_use_prompt_tokens_details or [])
    return normal_usage(
        "included",
        input=prompt,
        output=answer + thoughts,
        reasoning=thoughts,
        cache_read=usage.cached_content_token_count or 0,
        audio_input=_tokens(asked, "AUDIO"),
        image_input=_tokens(asked, "IMAGE"),
        cache_read_audio=_tokens(usage.cache_tokens_details, "AUDIO"),
        cache_read_image=_tokens(usage.cache_tokens_details, "IMAGE"),
        audio_output=_tokens(usage.candidates_tokens_details, "AUDIO"),
        image_output=_tokens(usage.candidates_tokens_details, "IMAGE"),
        tool_uses=grounding.tool_uses if grounding else None,
    )


def _tokens(details: list[_Modality] | None, modality: str) -> int:
    return sum(counted.token_count for counted in details or () if counted.modality == modality)
