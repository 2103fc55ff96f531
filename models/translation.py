"""One provider's request as another's: read by a dialect, written by a wire.

Here the two meet that otherwise do not know each other. Pure: no network, no clock, no state.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from typing import Protocol as Interface

from msgspec.structs import replace

from models.chat import ChatRequest, Message, Native, Part, Text, Thinking, ToolCall
from models.dialects import anthropic_request, gemini_request, openai_chat_request, openai_responses_request
from models.errors import InvalidRequest, UnsupportedParameter
from models.providers import Format, anthropic_messages, google_generate, openai_chat, openai_responses
from models.providers.profiles import Profile, Profiles, WireProvider
from models.providers.stand_ins import without


class _Encode(Interface):
    def __call__(
        self, request: ChatRequest, *, model: str, profile: Profile, max_output_tokens: int | None
    ) -> dict[str, Any]: ...


class _Codec(NamedTuple):
    provider: WireProvider
    decode: Callable[[dict[str, Any]], ChatRequest]
    encode: _Encode
    elsewhere: tuple[str, ...] = ()
    """Fields that stand for content which lies at the provider."""


_CODECS: dict[Format, _Codec] = {
    "openai_chat": _Codec("openai", openai_chat_request.decode, openai_chat.encode),
    "openai_responses": _Codec(
        "openai",
        openai_responses_request.decode,
        openai_responses.encode,
        ("previous_response_id", "conversation"),
    ),
    "anthropic": _Codec("anthropic", anthropic_request.decode, anthropic_messages.encode),
    "gemini": _Codec("google", gemini_request.decode, google_generate.encode, ("cachedContent",)),
}


_EXAMPLES: Mapping[Format, str] = {
    "openai_chat": "gpt-5.4",
    "openai_responses": "gpt-5.4",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-3.5-flash",
}
"""Models whose rules a history is written by where it is for nobody in particular."""

_MESSAGES: Mapping[Format, str] = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "anthropic": "messages",
    "gemini": "contents",
}
_HISTORY = ("messages", "system", "input", "instructions", "contents", "systemInstruction")


def translate(
    source_format: Format,
    source_body: dict[str, Any],
    target_format: Format,
    target_model: str,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Raises InvalidRequest naming the field of the source that is at fault.

    Options: `producer`, the model that made the assistant's private artefacts, where it is not of the source
    format's provider; `max_output_tokens`, the most that the target model can answer.
    """
    source, target = _codec(source_format), _codec(target_format)
    if source is not target:
        _check_nothing_elsewhere(source, source_body)
    chosen, profiles = options or {}, _profiles()
    request = source.decode(source_body)
    messages = without(request.messages)
    maker = profiles.maker(str(chosen.get("producer") or ""))
    if maker not in (None, source.provider):
        messages = tuple(map(_without_artefacts, messages))
    return target.encode(
        replace(request, messages=messages),
        model=target_model,
        profile=profiles.for_model(target.provider, target_model),
        max_output_tokens=chosen.get("max_output_tokens"),
    )


def read_history(format: Format, body: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages of a request's body, or of a document like one. Raises InvalidRequest."""
    codec, field = _codec(format), _MESSAGES.get(format, "")
    if field not in body:
        raise InvalidRequest(f"the document has no `{field}`", param=field)
    request = codec.decode({"model": _EXAMPLES[format], "max_tokens": 1, **body})
    return without(request.messages)


def write_history(format: Format, messages: Sequence[Message]) -> dict[str, Any]:
    """The part of a request's body that holds its messages."""
    codec, model = _codec(format), _EXAMPLES[format]
    body = codec.encode(
        ChatRequest(model=model, messages=tuple(messages)),
        model=model,
        profile=_profiles().for_model(codec.provider, model),
        max_output_tokens=None,
    )
    return {name: value for name, value in body.items() if name in _HISTORY}


def _codec(format: Format) -> _Codec:
    if format not in _CODECS:
        raise InvalidRequest(f"`{format}` is none of {', '.join(_CODECS)}", param="format")
    return _CODECS[format]


@cache
def _profiles() -> Profiles:
    return Profiles.load()


def _check_nothing_elsewhere(source: _Codec, body: dict[str, Any]) -> None:
    for field in source.elsewhere:
        if isinstance(body, dict) and body.get(field):
            raise UnsupportedParameter(
                f"what `{field}` names cannot be shown to another provider", param=field
            )


def _without_artefacts(message: Message) -> Message:
    """Of a history whose artefacts the source's own provider could not read either."""
    parts: list[Part] = []
    for part in message.parts:
        match part:
            case Native():
                parts += part.parts
            case Text() | Thinking() | ToolCall():
                parts.append(replace(part, opaque=()))
            case _:
                parts.append(part)
    return replace(message, parts=tuple(parts))
