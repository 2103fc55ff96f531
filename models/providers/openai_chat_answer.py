"""OpenAI chat completions and the hosts that speak it: the answer, whole or streamed.

Source: openai 3.54, types/chat/chat_completion.py and chat_completion_chunk.py. `reasoning_content` and
`reasoning` are what vLLM and Ollama call the thinking that OpenAI keeps to itself.
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

PROVIDER = "openai"
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class _InputDetails(Struct, frozen=True, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _OutputDetails(Struct, frozen=True, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(Struct, frozen=True, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Function(Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Custom(Struct, frozen=True, gc=False):
    name: str = ""
    input: str = ""


class _Call(Struct, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Custom | None = None


class _UrlCitation(Struct, frozen=True, gc=False):
    url: str = ""
    title: str = ""


class _Annotation(Struct, frozen=True, gc=False):
    url_citation: _UrlCitation | None = None


class _Said(Struct, frozen=True):
    """A whole message or one delta of it."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None
    annotations: list[_Annotation] | None = None

    @property
    def citations(self) -> tuple[Citation, ...]:
        found = (annotation.url_citation for annotation in self.annotations or ())
        return tuple(Citation(title=cited.title, url=cited.url) for cited in found if cited)


_NOTHING = _Said()


class _Choice(Struct, frozen=True):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Body(Struct, frozen=True):
    choices: list[_Choice]
    id: str = ""
    model: str = ""
    usage: Any = None
    """Read apart: an answer is good whatever its usage is."""
    service_tier: str | None = None


class _Event(Struct, frozen=True):
    choices: list[_Choice] = []
    id: str = ""
    model: str = ""
    usage: Any = None
    service_tier: str | None = None
    error: Any = None


_events = msgspec.json.Decoder(_Event)


def decode(body: dict[str, Any], *, tool_names: Mapping[str, str] | None = None) -> ChatResponse:
    """`tool_names` gives back the caller's names: see `names.original_names`."""
    try:
        answer = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise garbled(str(error), provider=PROVIDER) from None
    if not answer.choices or answer.choices[0].message is None:
        raise garbled("the answer has no message", provider=PROVIDER, model=answer.model)
    if answer.choices[0].finish_reason == "error":
        raise garbled("the answer broke off", provider=PROVIDER, model=answer.model)
    message, names = answer.choices[0].message, tool_names or {}
    parts = _parts(message, names)
    return ChatResponse(
        id=answer.id,
        model=answer.model,
        parts=parts,
        finish=_finish(
            answer.choices[0].finish_reason, calls=bool(message.tool_calls), refused=bool(message.refusal)
        ),
        usage=decode_usage(answer.usage),
        service_tier=answer.service_tier or "",
    )


def decode_usage(usage: object) -> Usage:
    """The `usage` object in the normal form, or UNKNOWN."""
    return _normal(read_counts(usage, _Usage))


class StreamDecoder:
    """One streamed answer. `finish_reason` waits for the usage, which comes after it."""

    def __init__(
        self, *, provider: str = PROVIDER, model: str = "", tool_names: Mapping[str, str] | None = None
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
        if not got.choices and got.usage is not None and self._finish is not None:
            chunks += self.finish()
        return chunks

    def finish(self) -> list[Chunk]:
        """Call at the end of the stream; raises ProviderGarbled if the answer had not ended."""
        if self._finished:
            return []
        if self._finish is None:
            raise self._garbled("the stream ended before the answer did")
        self._finished = True
        finish = _finish(self._finish, calls=bool(self._calls), refused=self._refused)
        return [Finished(finish, decode_usage(self._usage), service_tier=self._tier)]

    def _add(self, choice: _Choice, chunks: list[Chunk]) -> None:
        said = choice.delta or _NOTHING
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

    def _call(self, call: _Call) -> ToolCallStarted | ToolCallDelta:
        function = call.function or _Function()
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


def _parts(message: _Said, names: Mapping[str, str]) -> tuple[Part, ...]:
    parts: list[Part] = []
    if thought := message.reasoning_content or message.reasoning:
        parts.append(Thinking(thought))
    if message.content:
        parts.append(Text(message.content, message.citations))
    if message.refusal:
        parts.append(Refusal(message.refusal))
    for nth, call in enumerate(message.tool_calls or ()):
        parts.append(_tool_call(call, nth, names))
    return tuple(parts)


def _tool_call(call: _Call, nth: int, names: Mapping[str, str]) -> ToolCall:
    if call.custom is not None:
        name, arguments = call.custom.name, msgspec.json.encode({"input": call.custom.input}).decode()
    else:
        function = call.function or _Function()
        name, arguments = function.name or "", function.arguments or ""
    if not name:
        raise garbled("a tool call without a name", provider=PROVIDER)
    return ToolCall(call.id or f"call_{nth}", names.get(name, name), arguments)


def _finish(reason: str | None, *, calls: bool, refused: bool) -> FinishReason:
    # Hosts exist that say `stop` after tool calls; OpenAI says it after a refusal.
    finish = _FINISH.get(reason or "", "stop")
    if finish == "stop" and calls:
        return "tool_calls"
    return "refusal" if finish == "stop" and refused else finish


def _normal(usage: _Usage | None) -> Usage:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return UNKNOWN
    prompt = usage.prompt_tokens_details or _InputDetails()
    answer = usage.completion_tokens_details or _OutputDetails()
    return normal_usage(
        "included",
        input=usage.prompt_tokens,
        output=usage.completion_tokens,
        reasoning=answer.reasoning_tokens or 0,
        cache_read=prompt.cached_tokens or 0,
        cache_write_5m=prompt.cache_write_tokens or 0,
        audio_input=prompt.audio_tokens or 0,
        image_input=prompt.image_tokens or 0,
        audio_output=answer.audio_tokens or 0,
    )
