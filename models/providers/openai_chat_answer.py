"""OpenAI chat completions and the hosts that speak it: the whole answer, and what the streamed one shares.

Source: openai 3.54, types/chat/chat_completion.py. `reasoning_content` and `reasoning` are what vLLM and
Ollama call the thinking that OpenAI keeps to itself.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from models.chat import (
    ChatResponse,
    Citation,
    FinishReason,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from models.parts import json_text
from models.providers.failures import garbled
from models.providers.logprobs import of_openai
from models.providers.private import Known, kept, rest_of
from models.usage import UNKNOWN, normal_usage, read_counts

PROVIDER = "openai"
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


_KNOWN_USAGE = {
    "prompt_tokens": True,
    "completion_tokens": True,
    "total_tokens": True,
    "prompt_tokens_details": {"cached_tokens": True},
    "completion_tokens_details": {"reasoning_tokens": True},
}
_KNOWN_CALL = {"index": True, "id": True, "type": True, "function": {"name": True, "arguments": True}}
_KNOWN_SAID = {
    "role": True,
    "content": True,
    "refusal": True,
    "reasoning_content": True,
    "reasoning": True,
    "tool_calls": [_KNOWN_CALL],
    "annotations": True,
}
KNOWN: Known = {
    "id": True,
    "object": True,
    "created": True,
    "model": True,
    "service_tier": True,
    "choices": [
        {
            "index": True,
            "message": _KNOWN_SAID,
            "delta": _KNOWN_SAID,
            "finish_reason": True,
            "logprobs": None,
        }
    ],
    "usage": _KNOWN_USAGE | {"cost": True},
    "error": True,
}
"""`usage.cost` is ours, whoever else may say it."""


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


class Function(Struct, frozen=True, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Custom(Struct, frozen=True, gc=False):
    name: str = ""
    input: str = ""


class Call(Struct, frozen=True, gc=False):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: _Custom | None = None


class Said(Struct, frozen=True):
    """A whole message or one delta of it."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None
    annotations: list[dict[str, Any]] | None = None

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(map(_citation, self.annotations or ()))


NOTHING = Said()


class Choice(Struct, frozen=True):
    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Body(Struct, frozen=True):
    choices: list[Choice]
    id: str = ""
    model: str = ""
    usage: Any = None
    """Read apart: an answer is good whatever its usage is."""
    service_tier: str | None = None


def decode(
    body: dict[str, Any], *, tool_names: Mapping[str, str] | None = None, keep_rest: bool = False
) -> ChatResponse:
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
        finish=finish_of(
            answer.choices[0].finish_reason, calls=bool(message.tool_calls), refused=bool(message.refusal)
        ),
        usage=decode_usage(answer.usage),
        service_tier=answer.service_tier or "",
        opaque=kept(rest_of(body, KNOWN), PROVIDER) if keep_rest else of_openai(answer.choices[0].logprobs),
    )


def decode_usage(usage: object) -> Usage:
    """The `usage` object in the normal form, or UNKNOWN."""
    return _normal(read_counts(usage, _Usage))


def _parts(message: Said, names: Mapping[str, str]) -> tuple[Part, ...]:
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


def _citation(annotation: dict[str, Any]) -> Citation:
    cited = annotation.get("url_citation")
    url, title = (cited.get("url"), cited.get("title")) if isinstance(cited, dict) else ("", "")
    return Citation(
        title=title if isinstance(title, str) else "",
        url=url if isinstance(url, str) else "",
        opaque=Opaque(PROVIDER, "annotation", json_text(annotation)),
    )


def _tool_call(call: Call, nth: int, names: Mapping[str, str]) -> ToolCall:
    if call.custom is not None:
        name, arguments = call.custom.name, json_text({"input": call.custom.input})
    else:
        function = call.function or Function()
        name, arguments = function.name or "", function.arguments or ""
    if not name:
        raise garbled("a tool call without a name", provider=PROVIDER)
    return ToolCall(
        call.id or f"call_{nth}", names.get(name, name), arguments, freeform=call.custom is not None
    )


def finish_of(reason: str | None, *, calls: bool, refused: bool) -> FinishReason:
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
