"""Canonical chunks to Gemini's streamed answers: events, or the elements of one JSON array.

A row of answers (google-genai 3.4, types.py, GenerateContentResponse) without an end mark: `finishReason`
ends it. Function calls come whole.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from models import chat
from models.dialects.ask import laid, opened, without
from models.dialects.gemini_answer import (
    PROVIDER,
    SIGNATURE,
    encode_error,
    end_of,
    function_call,
    grounding,
    native,
    usage_fields,
)
from models.dialects.logprobs import gemini_result, told
from models.parts import EVENT

Json = dict[str, Any]

_json = msgspec.json.Encoder().encode


class StreamEncoder:
    """One stream's encoder: one answer for each batch that says something."""

    def __init__(self, *, id: str, model: str, sse: bool) -> None:
        """Without `sse` what comes is one JSON array."""
        self._named = b',"modelVersion":' + _json(model) + b',"responseId":' + _json(id) + b"}"
        self._sse = sse
        self._begun = False
        self._calls: dict[int, tuple[chat.ToolCallStarted, list[str]]] = {}
        """Calls that are under way, and the pieces of their arguments."""
        self._cited: list[chat.Citation] = []
        self._probable: list[Json] = []
        """Tokens of the answer with their log probabilities."""
        self._text = b'{"candidates":[{"content":{"parts":[{"text":'
        self._lay({})

    def encode(self, chunks: list[chat.Chunk], *, cost_pico: int | None = None) -> bytes:
        """The events of a batch. `cost_pico` is of use with the last one only."""
        if len(chunks) == 1 and type(only := chunks[0]) is chat.TextDelta and self._is_plain:
            return self._sent(self._text + _json(only.text) + self._text_end) if only.text else b""
        parts: list[Json] = []
        sent = b""
        for chunk in chunks:
            if isinstance(chunk, chat.Finished):
                parts += self._whole_calls()
                return sent + self._finished(chunk, _said(parts), cost_pico)
            for rest in _rests(chunk):
                sent += self._answer(_said([*parts, *self._whole_calls()]))
                parts = []
                self._lay(rest)
            self._add(chunk, parts)
        return sent + self._answer(_said(parts))

    @property
    def _is_plain(self) -> bool:
        """Whether a text has an event that differs in nothing else from others."""
        return not (self._calls or self._candidate)

    def _lay(self, rest: Json) -> None:
        """What Gemini's own answers say beside what is known, from here on."""
        self._usage: Json = rest.get("usageMetadata") or {}
        self._candidate: Json = next(iter(rest.get("candidates") or ()), {})
        self._is_laid = not self._candidate
        beside = without(rest, ("usageMetadata", "candidates"))
        self._tail = (b"," + _json(beside)[1:-1] if beside else b"") + self._named
        self._text_end = b'}],"role":"model"},"index":0}]' + self._tail

    def error(self, fields: Json) -> bytes:
        """The typed end of a stream that failed after its first byte."""
        return self._sent(encode_error(fields)) + (b"" if self._sse else b"]")

    def _add(self, chunk: chat.Chunk, parts: list[Json]) -> None:
        if self._calls and not isinstance(chunk, chat.ToolCallStarted | chat.ToolCallDelta):
            parts += self._whole_calls()
        match chunk:
            case chat.TextDelta(text) | chat.RefusalDelta(text):
                parts.append({"text": text})
            case chat.ThinkingDelta(text):
                parts.append({"text": text, "thought": True})
            case chat.ToolCallStarted(index=index, arguments=written):
                self._calls[index] = (chunk, [written])
            case chat.ToolCallDelta(index, written) if index in self._calls:
                self._calls[index][1].append(written)
            case chat.CitationDelta(citation):
                self._cited.append(citation)
            case chat.OpaqueDelta(opaque):
                self._probable += told((opaque,))
                _keep(opaque, parts)
            case chat.Completed():
                raise TypeError("a whole answer is not a part of a stream")
            case _:
                pass

    def _whole_calls(self) -> list[Json]:
        calls, self._calls = self._calls, {}
        return [
            function_call(begun.id, begun.name, "".join(written), begun.opaque)
            for begun, written in calls.values()
        ]

    def _answer(self, parts: list[Json]) -> bytes:
        if not parts and self._is_laid:
            return b""
        self._is_laid = True
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
        candidate = laid(candidate, without(self._candidate, ("finishReason",)))
        return self._sent(b'{"candidates":[' + _json(candidate) + b"]" + self._tail)

    def _finished(self, chunk: chat.Finished, parts: list[Json], cost_pico: int | None) -> bytes:
        cited = {} if "groundingMetadata" in self._candidate else grounding(self._cited)
        end = end_of(chunk.finish, parts or [{"text": ""}]) | cited | gemini_result(self._probable)
        candidate = laid(end, self._candidate)
        usage = laid(usage_fields(chunk.usage, cost_pico, tier=chunk.service_tier), self._usage)
        said = b'{"candidates":[' + _json(candidate) + b'],"usageMetadata":' + _json(usage) + self._tail
        return self._sent(said) + (b"" if self._sse else b"]")

    def _sent(self, answer: bytes) -> bytes:
        if self._sse:
            return b"data: " + answer + b"\r\n\r\n"
        opening = b",\r\n" if self._begun else b"["
        self._begun = True
        return opening + answer


def _rests(chunk: chat.Chunk) -> Iterator[Json]:
    """What else its provider's events say from this chunk on, if that changes."""
    held: tuple[chat.Opaque, ...] = ()
    match chunk:
        case chat.OpaqueDelta(opaque):
            held = (opaque,)
        case chat.Started(opaque=held):
            pass
        case _:
            pass
    for opaque in held:
        if opaque.kind == EVENT and opaque.provider == PROVIDER:
            yield opened(opaque.value)


def _keep(opaque: chat.Opaque, parts: list[Json]) -> None:
    """A signature rides on the part that it came with."""
    if opaque.kind != SIGNATURE:
        if opaque.kind == "block" and (part := native(opaque)) is not None:
            parts.append(part)
    elif opaque.provider == "google":
        if not parts or "text" not in parts[-1] or "thoughtSignature" in parts[-1]:
            parts.append({"text": ""})
        parts[-1]["thoughtSignature"] = opaque.value


def _said(parts: list[Json]) -> list[Json]:
    """Empty texts say nothing, unless they are signed."""
    return [part for part in parts if part.get("text", "-") or "thoughtSignature" in part]
