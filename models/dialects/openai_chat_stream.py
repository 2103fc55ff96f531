"""Canonical chunks to OpenAI's chat completion events, one `data:` line each."""

from typing import Any, assert_never

import msgspec

from models import chat
from models.dialects.openai_chat import finish_reason, usage_fields

_json = msgspec.json.Encoder().encode

DONE = b"data: [DONE]\n\n"


class StreamEncoder:
    """One stream's encoder: everything that repeats is encoded once."""

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:
        head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + _json(head)[:-1]
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._include_usage = include_usage
        self._refused = False
        self._text = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._text_end = b'},"logprobs":null,"finish_reason":null}]' + self._tail

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
            return self._text + _json(chunk.text) + self._text_end
        match chunk:
            case chat.TextDelta(text):
                return self._delta({"content": text})
            case chat.Started():
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
            case chat.CitationDelta() | chat.OpaqueDelta():
                return b""  # this dialect has no place for them
            case chat.Completed():
                raise TypeError("a whole answer is not a part of a stream")
            case _:
                assert_never(chunk)

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._head + b',"choices":[' + _json(choice) + b"]" + self._tail

    def _finished(self, chunk: chat.Finished, cost_pico: int | None) -> bytes:
        end = self._delta({}, finish_reason(chunk.finish, refused=self._refused))
        if self._include_usage:
            usage = _json(usage_fields(chunk.usage, cost_pico))
            end += self._head + b',"choices":[],"usage":' + usage + b"}\n\n"
        return end + DONE
