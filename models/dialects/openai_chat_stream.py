"""Canonical chunks to OpenAI's chat completion events, one `data:` line each."""

from typing import Any, assert_never

import msgspec

from models import chat
from models.dialects.ask import laid, opened, without
from models.dialects.logprobs import LOGPROBS, told
from models.dialects.openai_chat import annotation, finish_reason, usage_fields
from models.dialects.openai_chat_request import PROVIDER
from models.dialects.tiers import tier_told
from models.parts import EVENT, RAW_EVENT

Json = dict[str, Any]

_json = msgspec.json.Encoder().encode

DONE = b"data: [DONE]\n\n"
_NESTED = frozenset(("choices", "usage"))
"""Fields of an event that have fields of their own."""


class StreamEncoder:
    """One stream's encoder: everything that repeats is encoded once."""

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:
        self._named = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + _json(self._named)[:-1]
        self._include_usage = include_usage
        self._usage = b',"usage":null' if include_usage else b""
        self._refused = False
        self._length = 0
        """Of what was said."""
        self._rest: Json = {}
        """What OpenAI's own events say beside what is known."""
        self._probable: list[Json] = []
        """Log probabilities of the next text's tokens."""
        self._text = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._lay(b"")

    def encode(self, chunks: list[chat.Chunk], *, cost_pico: int | None = None) -> bytes:
        """The events of a batch. `cost_pico` is of use with the last one only."""
        if len(chunks) == 1:
            return self._chunk(chunks[0], cost_pico)
        return b"".join([self._chunk(chunk, cost_pico) for chunk in chunks])

    def error(self, fields: dict[str, Any]) -> bytes:
        """The typed end of a stream that failed after its first byte."""
        return b"data: " + _json({"error": fields}) + b"\n\n"

    def _chunk(self, chunk: chat.Chunk, cost_pico: int | None) -> bytes:
        if type(chunk) is chat.TextDelta:
            self._length += len(chunk.text)
            if self._rest or self._probable:
                return self._delta({"content": chunk.text})
            return self._text + _json(chunk.text) + self._text_end
        match chunk:
            case chat.TextDelta(text):
                return self._delta({"content": text})
            case chat.Started(opaque=held):
                for opaque in held:
                    self._keep(opaque)
                return self._delta({"role": "assistant", "content": "", "refusal": None})
            case chat.ThinkingDelta(text):
                return self._delta({"reasoning_content": text})
            case chat.RefusalDelta(text):
                self._refused = True
                return self._delta({"refusal": text})
            case chat.ToolCallStarted(index, id, name, arguments):
                function = {"name": name, "arguments": arguments}
                call = {"index": index, "id": id, "type": "function", "function": function}
                return self._delta({"tool_calls": [call]})
            case chat.ToolCallDelta(index, arguments):
                return self._delta({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
            case chat.Finished():
                return self._finished(chunk, cost_pico)
            case chat.CitationDelta(citation):
                said = annotation(citation, self._length)
                return self._delta({"annotations": [said]}) if said else b""
            case chat.OpaqueDelta(opaque):
                return self._keep(opaque)
            case chat.Completed():
                raise TypeError("a whole answer is not a part of a stream")
            case _:
                assert_never(chunk)

    def _keep(self, opaque: chat.Opaque) -> bytes:
        if opaque.kind == LOGPROBS:
            self._probable += told((opaque,))
        if opaque.provider != PROVIDER:
            return b""
        if opaque.kind == EVENT:
            rest = opened(opaque.value)
            nested = rest.keys() & _NESTED
            self._rest = rest if nested else {}
            # Fields of the whole event are the same bytes in each.
            self._lay(b"" if nested or not rest else b"," + _json(rest)[1:-1])
        elif opaque.kind == RAW_EVENT:
            fields = laid(self._choice({}, None), opened(opaque.value))
            return self._head + b"," + _json(fields)[1:-1] + self._usage + b"}\n\n"
        return b""

    def _lay(self, extra: bytes) -> None:
        self._tail = extra + self._usage + b"}\n\n"
        self._extra = extra
        self._text_end = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def _delta(self, delta: Json, finish: str | None = None) -> bytes:
        choices = self._choice(delta, finish)
        if self._probable:
            choices["choices"][0]["logprobs"] = {"content": self._probable, "refusal": None}
            self._probable = []
        return self._event(laid(choices, without(self._rest, ("usage",))) if self._rest else choices)

    def _choice(self, delta: Json, finish: str | None) -> Json:
        return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    def _event(self, fields: Json) -> bytes:
        return self._head + b"," + _json(fields)[1:-1] + self._tail

    def _finished(self, chunk: chat.Finished, cost_pico: int | None) -> bytes:
        if tier := tier_told(chunk.service_tier, plain="default"):
            self._lay(self._extra + b',"service_tier":' + _json(tier))
        end = self._delta({}, finish_reason(chunk.finish, refused=self._refused))
        if self._include_usage:
            said: Json = {"choices": [], "usage": usage_fields(chunk.usage, cost_pico)}
            said = laid(said, without(self._rest, ("choices",)))
            end += self._head + b"," + _json(said)[1:-1] + self._extra + b"}\n\n"
        return end + DONE
