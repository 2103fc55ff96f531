"""Gemini generateContent: the answer, whole or streamed.

Source: google-genai 3.4, types.py (GenerateContentResponse). A stream is a row of such answers without an
end mark: `finishReason` ends it and the last `usageMetadata` counts.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from models.chat import (
    ChatResponse,
    Chunk,
    Citation,
    CitationDelta,
    Finished,
    FinishReason,
    Image,
    Opaque,
    OpaqueDelta,
    Part,
    ServerTool,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallStarted,
    Usage,
)
from models.errors import ProviderGarbled
from models.providers.failures import garbled, stream_error
from models.usage import UNKNOWN, normal_usage, read_counts

PROVIDER = "google"
_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
"""Every other reason says that the rest was withheld."""
_BROKEN = frozenset(
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


class _Camel(Struct, frozen=True, rename="camel"):
    pass


class _Modality(_Camel, frozen=True, gc=False):
    modality: str = ""
    token_count: int = 0


class _Usage(_Camel, frozen=True):
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


class _FunctionCall(_Camel, frozen=True):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class _Blob(_Camel, frozen=True, gc=False):
    mime_type: str = ""
    data: str = ""


class _Part(_Camel, frozen=True):
    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None
    inline_data: _Blob | None = None

    @property
    def opaque(self) -> tuple[Opaque, ...]:
        signature = self.thought_signature
        return (Opaque(PROVIDER, "thought_signature", signature),) if signature else ()


class _Content(_Camel, frozen=True):
    parts: list[_Part] | None = None


class _Web(_Camel, frozen=True, gc=False):
    uri: str = ""
    title: str = ""


class _GroundingChunk(_Camel, frozen=True):
    web: _Web | None = None
    maps: Any = None


class _Grounding(_Camel, frozen=True):
    grounding_chunks: list[_GroundingChunk] | None = None
    web_search_queries: list[str] | None = None

    @property
    def tool_uses(self) -> dict[ServerTool, int]:
        """Each query is a search. Of maps it is only said that they were asked."""
        on_maps = any(chunk.maps for chunk in self.grounding_chunks or ())
        return {"web_search": len(self.web_search_queries or ()), "maps": int(on_maps)}


class _Candidate(_Camel, frozen=True):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int = 0
    grounding_metadata: _Grounding | None = None

    @property
    def parts(self) -> list[_Part]:
        return (self.content.parts if self.content else None) or []

    @property
    def citations(self) -> tuple[Citation, ...]:
        chunks = (self.grounding_metadata.grounding_chunks if self.grounding_metadata else None) or []
        return tuple(Citation(title=chunk.web.title, url=chunk.web.uri) for chunk in chunks if chunk.web)


class _Feedback(_Camel, frozen=True):
    block_reason: str | None = None


class _Body(_Camel, frozen=True):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Any = None
    """Read apart: an answer is good whatever its usage is."""
    model_version: str = ""
    response_id: str = ""
    error: Any = None


_events = msgspec.json.Decoder(_Body | list[_Body])


def decode(body: dict[str, Any], *, tool_names: Mapping[str, str] | None = None) -> ChatResponse:
    """`tool_names` gives back the caller's names: see `names.original_names`."""
    try:
        answer = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise garbled(str(error), provider=PROVIDER) from None
    candidate = answer.candidates[0] if answer.candidates else None
    reason = _end(answer, candidate)
    if reason is None or reason in _BROKEN:
        raise garbled(f"the answer has finishReason {reason}", provider=PROVIDER, model=answer.model_version)
    parts = _parts(candidate, answer.response_id, tool_names or {}) if candidate else []
    usage = read_counts(answer.usage_metadata, _Usage)
    return ChatResponse(
        id=answer.response_id,
        model=answer.model_version,
        parts=tuple(parts),
        finish=_finish(reason, calls=any(isinstance(part, ToolCall) for part in parts)),
        usage=_normal(usage, candidate.grounding_metadata if candidate else None),
        service_tier=(usage.service_tier if usage else None) or "",
    )


def decode_usage(usage: object) -> Usage:
    """The `usageMetadata` object in the normal form, or UNKNOWN."""
    return _normal(read_counts(usage, _Usage), None)


class StreamDecoder:
    """One streamed answer. Function calls come whole; pictures have no chunk and are left out."""

    def __init__(
        self, *, provider: str = PROVIDER, model: str = "", tool_names: Mapping[str, str] | None = None
    ) -> None:
        self._provider = provider
        self._model = model
        self._names = tool_names or {}
        self._id = ""
        self._started = False
        self._finished = False
        self._reason: str | None = None
        self._usage: object = None
        self._grounding: _Grounding | None = None
        self._calls = 0

    def feed(self, event: str, data: bytes) -> list[Chunk]:  # noqa: ARG002  # Google names no events
        try:
            got = _events.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._garbled(str(error)) from None
        chunks: list[Chunk] = []
        # An error may come as a list of one.
        for answer in got if isinstance(got, list) else (got,):
            self._add(answer, data, chunks)
        return chunks

    def finish(self) -> list[Chunk]:
        """Call at the end of the stream; raises ProviderGarbled if the answer had not ended."""
        if self._finished:
            return []
        if self._reason is None:
            raise self._garbled("the stream ended before the answer did")
        self._finished = True
        usage = read_counts(self._usage, _Usage)
        finish = _finish(self._reason, calls=self._calls > 0)
        tier = (usage.service_tier if usage else None) or ""
        return [Finished(finish, _normal(usage, self._grounding), service_tier=tier)]

    def _add(self, answer: _Body, data: bytes, chunks: list[Chunk]) -> None:
        if answer.error is not None:
            raise stream_error(data, provider=self._provider, model=self._model)
        if not self._started:
            self._started, self._id = True, answer.response_id
            chunks.append(Started(answer.response_id, answer.model_version))
        if answer.usage_metadata is not None:
            self._usage = answer.usage_metadata
        candidate = answer.candidates[0] if answer.candidates else None
        if candidate is not None:
            for part in candidate.parts:
                self._add_part(part, chunks)
            if candidate.grounding_metadata is not None:
                self._grounding = candidate.grounding_metadata
                chunks += map(CitationDelta, candidate.citations)
        self._reason = _end(answer, candidate) or self._reason
        if self._reason in _BROKEN:
            raise self._garbled(f"the answer has finishReason {self._reason}")

    def _add_part(self, part: _Part, chunks: list[Chunk]) -> None:
        if part.function_call is not None:
            call = _tool_call(part.function_call, part.opaque, self._id, self._calls, self._names)
            chunks.append(ToolCallStarted(self._calls, call.id, call.name, call.arguments, call.opaque))
            self._calls += 1
            return
        if part.text or (part.text is not None and part.thought_signature):
            chunks.append(ThinkingDelta(part.text) if part.thought else TextDelta(part.text))
        if part.thought_signature:
            chunks += map(OpaqueDelta, part.opaque)

    def _garbled(self, what: str) -> ProviderGarbled:
        return garbled(what, provider=self._provider, model=self._model)


def _parts(candidate: _Candidate, answer_id: str, names: Mapping[str, str]) -> list[Part]:
    parts: list[Part] = []
    for part in candidate.parts:
        if part.function_call is not None:
            nth = sum(isinstance(before, ToolCall) for before in parts)
            parts.append(_tool_call(part.function_call, part.opaque, answer_id, nth, names))
        elif part.thought:
            parts.append(Thinking(part.text or "", part.opaque))
        elif part.inline_data is not None:
            parts.append(Image(part.inline_data.mime_type, part.inline_data.data))
        elif part.text or part.opaque:
            parts.append(Text(part.text or "", opaque=part.opaque))
    if candidate.citations:
        last = next((i for i in reversed(range(len(parts))) if isinstance(parts[i], Text)), None)
        if last is not None:
            parts[last] = msgspec.structs.replace(parts[last], citations=candidate.citations)
    return parts


def _tool_call(
    call: _FunctionCall, opaque: tuple[Opaque, ...], answer_id: str, nth: int, names: Mapping[str, str]
) -> ToolCall:
    """Models before Gemini 3 give no ids: the answer's own id makes one that no other answer has."""
    arguments = msgspec.json.encode(call.args or {}).decode()
    made = f"call_{hashlib.sha256(f'{answer_id} {nth}'.encode()).hexdigest()[:16]}"
    return ToolCall(call.id or made, names.get(call.name, call.name), arguments, opaque)


def _end(answer: _Body, candidate: _Candidate | None) -> str | None:
    """Why the answer ended, once it has."""
    if candidate is None and answer.prompt_feedback and answer.prompt_feedback.block_reason:
        return "BLOCKED"
    reason = candidate.finish_reason if candidate else None
    return None if reason == "FINISH_REASON_UNSPECIFIED" else reason


def _finish(reason: str, *, calls: bool) -> FinishReason:
    finish = _FINISH.get(reason, "content_filter")
    return "tool_calls" if finish == "stop" and calls else finish


def _normal(usage: _Usage | None, grounding: _Grounding | None) -> Usage:
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
