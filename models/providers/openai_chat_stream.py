"""OpenAI chat completions and the hosts that speak it: the streamed answer.

Source: openai 3.54, types/chat/chat_completion_chunk.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from msgspec import Struct

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
from models.providers.failures import garbled, stream_error
from models.providers.logprobs import of_openai
from models.providers.openai_chat_answer import (
    KNOWN,
    NOTHING,
    PROVIDER,
    Call,
    Choice,
    Function,
    decode_usage,
    finish_of,
)
from models.providers.private import rest_of

Json = dict[str, Any]


class _Event(Struct, frozen=True):
    choices: list[Choice] = []
    id: str = ""
    model: str = ""
    usage: Any = None
    service_tier: str | None = None
    error: Any = None


_events = msgspec.json.Decoder(_Event)


class StreamDecoder:
    """One streamed answer. `finish_reason` waits for the usage, which comes after it."""

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
        self._started = False
        self._finished = False
        self._finish: str | None = None
        self._usage: object = None
        self._tier = ""
        self._calls: dict[int, int] = {}
        self._refused = False
        self._keep_rest = keep_rest
        self._rest: Json = {}
        """What the latest event said that the chunks do not have."""
        self._last_rest: Json = {}
        """Of the events that end the answer."""

    def feed(self, event: str, data: bytes) -> list[Chunk]:  # noqa: ARG002  # OpenAI names no events
        if self._finished:
            return []
        if data == b"[DONE]":
            return self.finish()
        try:
            got = _events.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._garbled(str(error)) from None
        if got.error is not None:
            raise stream_error(data, provider=self._provider, model=self._model)
        chunks = self._read(got)
        if self._keep_rest:
            chunks = self._with_rest(data, chunks)
        if not got.choices and got.usage is not None and self._finish is not None:
            chunks += self.finish()
        return chunks

    def _read(self, got: _Event) -> list[Chunk]:
        chunks: list[Chunk] = []
        # Azure opens with an event about the prompt that has no id yet.
        if not self._started and (got.id or got.choices):
            self._started = True
            chunks.append(Started(got.id, got.model))
        if got.usage is not None:
            self._usage = got.usage
        if got.service_tier:
            self._tier = got.service_tier
        for choice in got.choices:
            if choice.index == 0:
                self._add(choice, chunks)
        return chunks

    def _with_rest(self, data: bytes, chunks: list[Chunk]) -> list[Chunk]:
        """The event's chunks after what else it says, where that is not what the one before said."""
        rest = rest_of(orjson.loads(data), KNOWN)
        if self._finish is not None and not chunks:
            self._last_rest |= rest
            return chunks
        if not chunks and "choices" in rest:
            return [OpaqueDelta(Opaque(PROVIDER, RAW_EVENT, json_text(rest)))]
        if rest == self._rest:
            return chunks
        self._rest = rest
        said = Opaque(PROVIDER, EVENT, json_text(rest))
        if chunks and isinstance(chunks[0], Started):
            return [Started(chunks[0].id, chunks[0].model, opaque=(said,)), *chunks[1:]]
        return [OpaqueDelta(said), *chunks]

    def finish(self) -> list[Chunk]:
        """Call at the end of the stream; raises ProviderGarbled if the answer had not ended."""
        if self._finished:
            return []
        if self._finish is None:
            raise self._garbled("the stream ended before the answer did")
        self._finished = True
        finish = finish_of(self._finish, calls=bool(self._calls), refused=self._refused)
        finished = Finished(finish, decode_usage(self._usage), service_tier=self._tier)
        if self._last_rest == self._rest:
            return [finished]
        return [OpaqueDelta(Opaque(PROVIDER, EVENT, json_text(self._last_rest))), finished]

    def _add(self, choice: Choice, chunks: list[Chunk]) -> None:
        said = choice.delta or NOTHING
        if choice.logprobs and not self._keep_rest:
            chunks += map(OpaqueDelta, of_openai(choice.logprobs))
        if said.content:
            chunks.append(TextDelta(said.content))
        if thought := said.reasoning_content or said.reasoning:
            chunks.append(ThinkingDelta(thought))
        if said.refusal:
            self._refused = True
            chunks.append(RefusalDelta(said.refusal))
        if said.tool_calls:
            chunks += map(self._call, said.tool_calls)
        if said.annotations:
            chunks += map(CitationDelta, said.citations)
        if choice.finish_reason == "error":
            broken = b'{"error":"the answer broke off"}'
            raise stream_error(broken, provider=self._provider, model=self._model)
        if choice.finish_reason:
            self._finish = choice.finish_reason

    def _call(self, call: Call) -> ToolCallStarted | ToolCallDelta:
        function = call.function or Function()
        # Some hosts leave the index out: there an id begins a call.
        place = call.index
        if place is None:
            place = len(self._calls) - (0 if call.id else 1)
        if place in self._calls:
            return ToolCallDelta(self._calls[place], function.arguments or "")
        if not function.name:
            raise self._garbled("a tool call without a name")
        index = self._calls[place] = len(self._calls)
        name = self._names.get(function.name, function.name)
        return ToolCallStarted(index, call.id or f"call_{index}", name, function.arguments or "")

    def _garbled(self, what: str) -> ProviderGarbled:
        return garbled(what, provider=self._provider, model=self._model)
