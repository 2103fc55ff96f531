"""Canonical chunks to the events of Anthropic's streamed message.

Source: anthropic 2.12, types/raw_*_event.py: blocks are numbered, and open and close one after another.
"""

from typing import Any, assert_never

import msgspec

from models import chat
from models.dialects.anthropic_answer import (
    PROVIDER,
    citation,
    encode_error,
    envelope,
    native,
    stop_fields,
    tool_use,
    usage_fields,
)
from models.dialects.ask import laid, opened

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_BLOCK = "block"
_DELTA = "content_block_delta"
_TEXT: dict[str, Any] = {"type": "text", "text": "", "citations": None}
_THINKING: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}

Json = dict[str, Any]

_json = msgspec.json.Encoder().encode


class StreamEncoder:
    """One stream's encoder. `is_own` says whether the answering model is Anthropic's."""

    def __init__(self, *, id: str, model: str, is_own: bool) -> None:
        self._id = id
        self._model = model
        self._is_own = is_own
        self._next = 0
        """How many blocks there were."""
        self._open = ""
        """Kind of the block that is open: text, thinking, tool_use, or none."""
        self._signed = False
        self._calls: dict[int, int] = {}
        """Of a call's index, its block's number."""
        self._explained: str | None = None
        self._text = b""
        """What comes before each piece of the open text or thinking."""
        self._rests: dict[str, Json] = {}
        """What Anthropic's own next event of a kind says beside what is known."""

    def encode(self, chunks: list[chat.Chunk], *, cost_pico: int | None = None) -> bytes:
        """The events of a batch. `cost_pico` is of use with the last one only."""
        if len(chunks) == 1:
            return self._chunk(chunks[0], cost_pico)
        return b"".join([self._chunk(chunk, cost_pico) for chunk in chunks])

    def error(self, fields: dict[str, Any], *, request_id: str) -> bytes:
        """The typed end of a stream that failed after its first byte."""
        return b"event: error\ndata: " + encode_error(fields, request_id=request_id) + b"\n\n"

    def _chunk(self, chunk: chat.Chunk, cost_pico: int | None) -> bytes:
        if type(chunk) is chat.TextDelta and self._open == "text" and chunk.text and not self._rests:
            return self._text + _json(chunk.text) + b"}}\n\n"
        match chunk:
            case chat.TextDelta(text):
                return self._say("text", text)
            case chat.ThinkingDelta(text):
                return self._think(text)
            case chat.RefusalDelta(text):
                self._explained = (self._explained or "") + text
                return b"" if self._is_own else self._say("text", text)
            case chat.ToolCallStarted(index, id, name, written, held):
                self._calls[index] = self._next
                opening = self._begin("tool_use", tool_use(id, name, {}, held))
                return opening + self._argue(index, written)
            case chat.ToolCallDelta(index, written):
                return self._argue(index, written)
            case chat.OpaqueDelta(opaque):
                return self._keep(opaque)
            case chat.CitationDelta(cited):
                return self._cite(cited)
            case chat.Started(usage=usage, opaque=held):
                for opaque in held:
                    self._keep(opaque)
                return self._started(usage or chat.Usage())
            case chat.Finished():
                return self._finished(chunk, cost_pico)
            case chat.Completed():
                raise TypeError("a whole answer is not a part of a stream")
            case _:
                assert_never(chunk)

    def _started(self, usage: chat.Usage) -> bytes:
        message = envelope(id=self._id, model=self._model) | {"usage": usage_fields(usage, None)}
        return self._event("message_start", message=message) + PING

    def _say(self, kind: str, text: str) -> bytes:
        """An empty text opens a part of its own, once something is said in it."""
        if not text:
            return self._close()
        opening = b"" if self._open == kind else self._begin(kind, _TEXT if kind == "text" else _THINKING)
        if _DELTA in self._rests:
            return opening + self._delta({"type": f"{kind}_delta", kind: text})
        return opening + self._text + _json(text) + b"}}\n\n"

    def _think(self, text: str) -> bytes:
        closing = self._close() if self._signed or not text else b""
        return closing + (self._say("thinking", text) if text else b"")

    def _keep(self, opaque: chat.Opaque) -> bytes:
        if opaque.provider != PROVIDER:
            return b""
        match opaque.kind:
            case "signature":
                opening = b"" if self._open == "thinking" else self._begin("thinking", _THINKING)
                self._signed = True
                return opening + self._delta({"type": "signature_delta", "signature": opaque.value})
            case "redacted_thinking":
                return self._begin("", {"type": "redacted_thinking", "data": opaque.value}) + self._close()
            case "block" if (block := native(opaque)) is not None:
                return self._begin("", block) + self._close()
            case "event":
                rest = opened(opaque.value)
                self._rests[str(rest.pop("type", ""))] = rest
                return b""
            case "raw_event":
                return self._raw(opened(opaque.value))
            case _:
                return b""

    def _cite(self, cited: chat.Citation) -> bytes:
        said = citation(cited, is_own=self._is_own) if self._open == "text" else {}
        return self._delta({"type": "citations_delta", "citation": said}) if said else b""

    def _argue(self, index: int, written: str) -> bytes:
        """Of a call whose block is closed already too: blocks are told apart by their numbers."""
        if not written or index not in self._calls:
            return b""
        delta = {"type": "input_json_delta", "partial_json": written}
        return self._event(_DELTA, index=self._calls[index], delta=delta)

    def _raw(self, event: Json) -> bytes:
        """An event as it came; blocks have our numbers."""
        opening = b""
        if "index" in event:
            opening = b"" if self._open else self._begin("text", _TEXT)
            event["index"] = self._next - 1
        kind = str(event.get("type"))
        return opening + b"event: " + kind.encode() + b"\ndata: " + _json(event) + b"\n\n"

    def _begin(self, kind: str, block: dict[str, Any]) -> bytes:
        closing = self._close()
        at, self._next = self._next, self._next + 1
        self._open = kind or _BLOCK
        if kind in ("text", "thinking"):
            head = f'{{"type":"content_block_delta","index":{at},"delta":{{"type":"{kind}_delta","{kind}":'
            self._text = b"event: content_block_delta\ndata: " + head.encode()
        return closing + self._event("content_block_start", index=at, content_block=block)

    def _close(self) -> bytes:
        self._signed = False
        if not self._open:
            return b""
        self._open = ""
        return self._event("content_block_stop", index=self._next - 1)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._event(_DELTA, index=self._next - 1, delta=delta)

    def _finished(self, chunk: chat.Finished, cost_pico: int | None) -> bytes:
        usage = usage_fields(chunk.usage, cost_pico, tier=chunk.service_tier)
        delta = stop_fields(chunk.finish, chunk.stop_sequence, self._explained)
        closing = self._close()
        end = self._event("message_delta", delta=delta, usage=usage)
        return closing + end + self._event("message_stop")

    def _event(self, kind: str, **fields: Any) -> bytes:
        if self._rests and (rest := self._rests.pop(kind, None)):
            fields = laid(fields, rest)
        return b"event: " + kind.encode() + b"\ndata: " + _json({"type": kind, **fields}) + b"\n\n"
