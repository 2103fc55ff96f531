"""Anthropic messages: the answer, whole or streamed.

Source: anthropic 2.12, types/message.py and the raw_*_event.py files.
"""

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
    Opaque,
    OpaqueDelta,
    Part,
    Refusal,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from models.errors import ProviderGarbled
from models.providers.failures import garbled, stream_error
from models.usage import UNKNOWN, normal_usage, read_counts

PROVIDER = "anthropic"
_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "pause_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}


class _CacheCreation(Struct, frozen=True, gc=False):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _OutputDetails(Struct, frozen=True, gc=False):
    thinking_tokens: int = 0


class _ServerTools(Struct, frozen=True, gc=False):
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None


class _Usage(Struct, frozen=True, gc=False):
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


class _Block(Struct, frozen=True):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    citations: list[dict[str, Any]] | None = None


class _StopDetails(Struct, frozen=True, gc=False):
    explanation: str | None = None


class _Message(Struct, frozen=True):
    content: list[_Block]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None
    usage: Any = None
    """Read apart: an answer is good whatever its usage is."""


class _Delta(Struct, frozen=True):
    """A block's delta, or the message's."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None


class _Event(Struct, frozen=True):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    usage: Any = None
    error: Any = None


_events = msgspec.json.Decoder(_Event)


def decode(body: dict[str, Any], *, tool_names: Mapping[str, str] | None = None) -> ChatResponse:
    """`tool_names` gives back the caller's names: see `names.original_names`."""
    try:
        answer = msgspec.convert(body, _Message)
    except msgspec.ValidationError as error:
        raise garbled(str(error), provider=PROVIDER) from None
    if answer.stop_reason is None:
        raise garbled("the answer has no stop_reason", provider=PROVIDER, model=answer.model)
    names, usage = tool_names or {}, read_counts(answer.usage, _Usage)
    parts = [part for block in answer.content if (part := _part(block, names))]
    if answer.stop_details and answer.stop_details.explanation:
        parts.append(Refusal(answer.stop_details.explanation))
    return ChatResponse(
        id=answer.id,
        model=answer.model,
        parts=tuple(parts),
        finish=_FINISH.get(answer.stop_reason, "stop"),
        usage=_normal(usage),
        stop_sequence=answer.stop_sequence or "",
        service_tier=usage.tier if usage else "",
    )


def decode_usage(usage: object) -> Usage:
    """The `usage` object in the normal form, or UNKNOWN."""
    return _normal(read_counts(usage, _Usage))


class StreamDecoder:
    """One streamed answer. A `ThinkingDelta` opens each thinking block, so that signatures keep apart."""

    def __init__(
        self, *, provider: str = PROVIDER, model: str = "", tool_names: Mapping[str, str] | None = None
    ) -> None:
        self._provider = provider
        self._model = model
        self._names = tool_names or {}
        self._usage: _Usage | None = _Usage()
        self._stop: _Delta | None = None
        self._finished = False
        self._calls: dict[int, int] = {}
        """Of a tool_use block's place, the call's index."""
        self._without_arguments: set[int] = set()

    def feed(self, event: str, data: bytes) -> list[Chunk]:  # noqa: ARG002  # the data names its type too
        if self._finished:
            return []
        try:
            got = _events.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._garbled(str(error)) from None
        if got.type == "content_block_delta" and got.delta is not None:
            return self._delta(got.index, got.delta)
        match got.type:
            case "message_start" if got.message is not None:
                self._add_usage(got.message.usage)
                usage = decode_usage(got.message.usage) if got.message.usage else None
                return [Started(got.message.id, got.message.model, usage)]
            case "content_block_start" if got.content_block is not None:
                return self._open(got.index, got.content_block)
            case "content_block_stop":
                return self._close(got.index)
            case "message_delta":
                self._add_usage(got.usage)
                self._stop = got.delta or self._stop
                return []
            case "message_stop":
                return self._end()
            case "error":
                raise stream_error(data, provider=self._provider, model=self._model)
            case _:
                # `ping`, and the event types to come that the API's versioning promises to allow.
                return []

    def finish(self) -> list[Chunk]:
        """Call at the end of the stream; raises ProviderGarbled if the answer had not ended."""
        if not self._finished:
            raise self._garbled("the stream ended before message_stop")
        return []

    def _delta(self, place: int, delta: _Delta) -> list[Chunk]:
        match delta.type:
            case "text_delta":
                return [TextDelta(delta.text)] if delta.text else []
            case "input_json_delta":
                if place not in self._calls or not delta.partial_json:
                    return []
                self._without_arguments.discard(place)
                return [ToolCallDelta(self._calls[place], delta.partial_json)]
            case "thinking_delta":
                return [ThinkingDelta(delta.thinking)] if delta.thinking else []
            case "signature_delta":
                return [OpaqueDelta(Opaque(PROVIDER, "signature", delta.signature))]
            case "citations_delta" if delta.citation is not None:
                return [CitationDelta(_citation(delta.citation))]
            case _:
                return []

    def _open(self, place: int, block: _Block) -> list[Chunk]:
        match block.type:
            case "text":
                return [TextDelta(block.text)] if block.text else []
            case "thinking":
                return [ThinkingDelta(block.thinking)]
            case "redacted_thinking":
                return [ThinkingDelta(""), OpaqueDelta(Opaque(PROVIDER, "redacted_thinking", block.data))]
            case "tool_use":
                call = _tool_call(block, self._names)
                index = self._calls[place] = len(self._calls)
                written = call.arguments if block.input else ""
                if not written:
                    self._without_arguments.add(place)
                return [ToolCallStarted(index, call.id, call.name, written)]
            case _:
                return []

    def _close(self, place: int) -> list[Chunk]:
        if place not in self._without_arguments:
            return []
        self._without_arguments.discard(place)
        return [ToolCallDelta(self._calls[place], "{}")]

    def _end(self) -> list[Chunk]:
        stop = self._stop
        if stop is None or stop.stop_reason is None:
            raise self._garbled("message_stop without a stop_reason")
        self._finished = True
        finished = Finished(
            _FINISH.get(stop.stop_reason, "stop"),
            _normal(self._usage),
            stop.stop_sequence or "",
            self._usage.tier if self._usage else "",
        )
        if stop.stop_details and stop.stop_details.explanation:
            return [RefusalDelta(stop.stop_details.explanation), finished]
        return [finished]

    def _add_usage(self, counted: object) -> None:
        """Counts are cumulative: a later one replaces an earlier, what is not said again stands."""
        if counted is None or self._usage is None:
            return
        usage = read_counts(counted, _Usage)
        if usage is None:
            self._usage = None  # what was said before is not all that was used
            return
        news = {field: value for field, value in msgspec.structs.asdict(usage).items() if value is not None}
        self._usage = msgspec.structs.replace(self._usage, **news)

    def _garbled(self, what: str) -> ProviderGarbled:
        return garbled(what, provider=self._provider, model=self._model)


def _part(block: _Block, names: Mapping[str, str]) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text, tuple(map(_citation, block.citations or ())))
        case "thinking":
            signed = (Opaque(PROVIDER, "signature", block.signature),) if block.signature else ()
            return Thinking(block.thinking, signed)
        case "redacted_thinking":
            return Thinking(opaque=(Opaque(PROVIDER, "redacted_thinking", block.data),))
        case "tool_use":
            return _tool_call(block, names)
        case _:
            # Tools that the provider ran itself: their outcome is in the text.
            return None


def _tool_call(block: _Block, names: Mapping[str, str]) -> ToolCall:
    if not block.id or not block.name:
        raise garbled("a tool call without id or name", provider=PROVIDER)
    arguments = msgspec.json.encode(block.input if block.input is not None else {}).decode()
    return ToolCall(block.id, names.get(block.name, block.name), arguments)


def _citation(cited: dict[str, Any]) -> Citation:
    def word(*fields: str) -> str:
        return next((value for field in fields if isinstance(value := cited.get(field), str)), "")

    return Citation(
        text=word("cited_text"),
        title=word("title", "document_title"),
        url=word("url", "source"),
        opaque=Opaque(PROVIDER, "citation", msgspec.json.encode(cited).decode()),
    )


def _normal(usage: _Usage | None) -> Usage:
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
