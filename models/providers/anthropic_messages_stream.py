"""Anthropic messages: the streamed answer.

Source: anthropic 2.12, types/raw_*_event.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import asdict, replace

from models.chat import (
    Chunk,
    CitationDelta,
    Finished,
    Opaque,
    OpaqueDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from models.errors import ProviderGarbled
from models.parts import EVENT, RAW_EVENT, json_text
from models.providers.anthropic_messages_answer import (
    FINISH,
    KNOWN,
    KNOWN_BLOCK,
    KNOWN_STOP,
    KNOWN_USAGE,
    PROVIDER,
    READ_BLOCKS,
    Answer,
    Block,
    Counted,
    StopDetails,
    citation,
    decode_usage,
    normal,
    own_block,
    stop_rest,
    tool_call,
)
from models.providers.failures import garbled, stream_error
from models.providers.private import Known, rest_of
from models.usage import read_counts


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
    stop_details: StopDetails | None = None


class _Event(Struct, frozen=True):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: Answer | None = None
    usage: Any = None
    error: Any = None


_events = msgspec.json.Decoder(_Event)

_TYPE = {"type": True}
_KNOWN_DELTA = {
    "type": True,
    "text": True,
    "thinking": True,
    "signature": True,
    "partial_json": True,
    "citation": True,
}
_KNOWN: Mapping[str, Known] = {
    "content_block_delta": {"type": True, "index": True, "delta": _KNOWN_DELTA},
    "content_block_start": {"type": True, "index": True, "content_block": KNOWN_BLOCK},
    "content_block_stop": {"type": True, "index": True},
    "message_start": {"type": True, "message": KNOWN},
    "message_delta": {"type": True, "delta": KNOWN_STOP, "usage": KNOWN_USAGE},
    "message_stop": {"type": True},
    "error": {"type": True, "error": True},
}
"""What is read of each kind of event."""
_KNOWN_DELTAS = frozenset(
    ("text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta")
)


def _rest(raw: dict[str, Any], known: Known) -> dict[str, Any]:
    rest = rest_of(raw, known)
    match raw:
        case {"type": "content_block_delta", "delta": {"type": str(kind)}} if kind not in _KNOWN_DELTAS:
            return raw
        case {"type": "content_block_start", "content_block": {"type": str(kind)}} if kind not in READ_BLOCKS:
            rest.pop("content_block", None)
        case {"type": "message_delta", "delta": dict(delta)} if stop := stop_rest(delta):
            rest["delta"] = rest.get("delta", {}) | stop
        case _:
            pass
    return rest


class StreamDecoder:
    """One streamed answer. An empty delta opens a block that could be taken for more of the one before."""

    def __init__(
        self,
        *,
        provider: str = PROVIDER,
        model: str = "",
        tool_names: Mapping[str, str] | None = None,
        keep_rest: bool = False,
    ) -> None:
        self._provider = provider
        self._model = model
        self._names = tool_names or {}
        self._usage: Counted | None = Counted()
        self._stop: _Delta | None = None
        self._finished = False
        self._calls: dict[int, int] = {}
        """Of a tool_use block's place, the call's index."""
        self._without_arguments: set[int] = set()
        self._own: dict[int, dict[str, Any]] = {}
        """Blocks of the provider's own that are not complete yet, and what came of their input."""
        self._own_input: dict[int, str] = {}
        self._is_text = False
        """Whether the latest block is text: another one after it is to stay apart."""
        self._keep_rest = keep_rest

    def feed(self, event: str, data: bytes) -> list[Chunk]:  # noqa: ARG002  # the data names its type too
        if self._finished:
            return []
        try:
            got = _events.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._garbled(str(error)) from None
        chunks = self._take(got, data)
        return self._with_rest(data, chunks) if self._keep_rest else chunks

    def _with_rest(self, data: bytes, chunks: list[Chunk]) -> list[Chunk]:
        """The event's chunks after what else it says."""
        raw = orjson.loads(data)
        kind = raw["type"]
        if kind == "ping":
            return chunks
        known = _KNOWN.get(kind)
        if known is None:
            return [*chunks, OpaqueDelta(Opaque(PROVIDER, RAW_EVENT, json_text(raw)))]
        rest = _rest(raw, known)
        if not rest or raw.get("index") in self._own:
            return chunks
        said = Opaque(PROVIDER, EVENT, json_text({"type": kind} | rest))
        if chunks and isinstance(begun := chunks[0], Started):
            return [replace(begun, opaque=(said,))]
        if kind == "content_block_delta" and not chunks:
            said = Opaque(PROVIDER, RAW_EVENT, json_text(raw))
        return [OpaqueDelta(said), *chunks]

    def _take(self, got: _Event, data: bytes) -> list[Chunk]:
        if got.type == "content_block_delta" and got.delta is not None:
            if got.index in self._own and got.delta.type not in _KNOWN_DELTAS:
                self._grow(self._own[got.index], orjson.loads(data)["delta"])
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
            case "input_json_delta" if place in self._own:
                self._own_input[place] = self._own_input.get(place, "") + delta.partial_json
                return []
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
                return [CitationDelta(citation(delta.citation))]
            case _:
                return []

    def _grow(self, block: dict[str, Any], delta: dict[str, Any]) -> None:
        """A block of the provider's own, by a delta of its own: texts go on, whatever else is said is so."""
        for name, value in delta.items():
            if name != "type":
                before = block.get(name)
                goes_on = isinstance(before, str) and isinstance(value, str)
                block[name] = before + value if goes_on else value

    def _open(self, place: int, raw: dict[str, Any]) -> list[Chunk]:
        follows_text, self._is_text = self._is_text, raw.get("type") == "text"
        match raw.get("type"):
            case "tool_use":
                call = tool_call(raw, self._names)
                index = self._calls[place] = len(self._calls)
                written = call.arguments if raw.get("input") else ""
                if not written:
                    self._without_arguments.add(place)
                return [ToolCallStarted(index, call.id, call.name, written, call.opaque)]
            case "text" if follows_text:
                return [TextDelta(""), *_opened(msgspec.convert(raw, Block))]
            case "text" | "thinking" | "redacted_thinking":
                return _opened(msgspec.convert(raw, Block))
            case _:
                self._own[place] = raw
                return []

    def _close(self, place: int) -> list[Chunk]:
        if place in self._own:
            raw = self._own.pop(place)
            if written := self._own_input.pop(place, ""):
                raw["input"] = self._read(written)
            return [OpaqueDelta(own_block(raw))]
        if place not in self._without_arguments:
            return []
        self._without_arguments.discard(place)
        return [ToolCallDelta(self._calls[place], "{}")]

    def _read(self, written: str) -> Any:
        try:
            return msgspec.json.decode(written)
        except (msgspec.DecodeError, ValueError):
            raise self._garbled("a server tool's input that is not JSON") from None

    def _end(self) -> list[Chunk]:
        stop = self._stop
        if stop is None or stop.stop_reason is None:
            raise self._garbled("message_stop without a stop_reason")
        self._finished = True
        finished = Finished(
            FINISH.get(stop.stop_reason, "stop"),
            normal(self._usage),
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
        usage = read_counts(counted, Counted)
        if usage is None:
            self._usage = None  # what was said before is not all that was used
            return
        news = {field: value for field, value in asdict(usage).items() if value is not None}
        self._usage = replace(self._usage, **news)

    def _garbled(self, what: str) -> ProviderGarbled:
        return garbled(what, provider=self._provider, model=self._model)


def _opened(block: Block) -> list[Chunk]:
    match block.type:
        case "text":
            return [TextDelta(block.text)] if block.text else []
        case "thinking":
            return [ThinkingDelta(block.thinking)]
        case _:
            return [ThinkingDelta(""), OpaqueDelta(Opaque(PROVIDER, "redacted_thinking", block.data))]
