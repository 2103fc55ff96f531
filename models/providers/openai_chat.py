"""OpenAI chat completions and the hosts that speak it: the request.

Source: openai 3.54, types/chat/*_param.py.
"""

from typing import Any, assert_never

from models.chat import (
    ChatRequest,
    File,
    Image,
    Part,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.providers import media, parameters
from models.providers.failures import error_from as error_from
from models.providers.history import OPENING, Turn, paired
from models.providers.names import tool_name
from models.providers.openai_chat_answer import StreamDecoder as StreamDecoder
from models.providers.openai_chat_answer import decode as decode
from models.providers.openai_chat_answer import decode_usage as decode_usage
from models.providers.profiles import Profile

Json = dict[str, Any]

PROVIDER = "openai"
_RESERVED = frozenset(
    (
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "service_tier",
    )
)
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")


def encode(
    request: ChatRequest, *, model: str, profile: Profile, max_output_tokens: int | None = None
) -> dict[str, Any]:
    body: Json = {"model": model, "messages": _messages(request, profile)}
    body |= parameters.sampling(request, profile) | _limits(request, profile, max_output_tokens)
    if request.tools:
        body["tools"] = [_tool(tool, profile) for tool in request.tools]
        body |= _tool_choice(request, profile)
    if request.reasoning and (effort := parameters.effort(request.reasoning, profile.efforts)):
        body["reasoning_effort"] = effort
    if request.response_format and (form := _response_format(request.response_format, profile)):
        body["response_format"] = form
    if request.verbosity and profile.verbosity:
        body["verbosity"] = request.verbosity
    if request.service_tier in _TIERS and profile.first_party:
        body["service_tier"] = request.service_tier
    if request.end_user:
        body["user"] = request.end_user
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    options = request.provider_options.get(PROVIDER, {}) if profile.first_party else {}
    return parameters.overlaid(body, options, reserved=_RESERVED)


def _limits(request: ChatRequest, profile: Profile, max_output_tokens: int | None) -> Json:
    limits: Json = {}
    # Without a wish of the caller's the provider's own default is the better ceiling.
    if request.max_tokens is not None:
        limits[profile.max_tokens_field] = parameters.output_ceiling(request, max_output_tokens)
    if stops := parameters.stops(request, profile):
        limits["stop"] = stops
    return limits


def _messages(request: ChatRequest, profile: Profile) -> list[Json]:
    turns = paired(request.messages, profile=profile, keep_names=True)
    messages = [message for turn in turns for message in _turn(turn, profile)]
    _limit_breakpoints(messages, profile.cache_breakpoints)
    return messages or [{"role": "user", "content": OPENING.text}]


def _turn(turn: Turn, profile: Profile) -> list[Json]:
    if turn.role == "assistant":
        return [said] if (said := _assistant(turn, profile)) else []
    if not turn.results:
        role = "system" if turn.role == "developer" and not profile.first_party else turn.role
        named = {"name": turn.name} if turn.name else {}
        return [{"role": role, "content": _content([_input(p) for p in turn.parts])} | named]
    shown = [part for result in turn.results for part in result.parts if isinstance(part, Image)]
    # Tool messages hold text alone, so what a tool drew is shown by the user right after all of them.
    pictures = [{"role": "user", "content": [_input(image) for image in shown]}] if shown else []
    return [_tool_message(result) for result in turn.results] + pictures


def _assistant(turn: Turn, profile: Profile) -> Json:
    content: list[Json] = []
    refusals: list[str] = []
    for part in turn.parts:
        match part:
            case Refusal() if profile.first_party:
                refusals.append(part.text)
            case Text() | Refusal():
                content.append(_text(part.text))
            case Image() | File():
                content.append(_text(media.note(part).text))
            case ToolCall() | Thinking() | ToolResult():
                pass
            case _:
                assert_never(part)
    message: Json = {"role": "assistant"}
    if content or refusals or turn.calls:
        message["content"] = _content(content) if content else None
    else:
        return {}
    if refusals:
        message["refusal"] = "\n".join(refusals)
    if turn.calls:
        message["tool_calls"] = [_call(call, profile) for call in turn.calls]
    return message


def _call(call: ToolCall, profile: Profile) -> Json:
    function = {"name": tool_name(call.name, profile), "arguments": parameters.arguments_text(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _tool_message(result: ToolResult) -> Json:
    said = [_words(part) for part in result.parts]
    text = "\n".join(["Error:", *said] if result.is_error else said)
    return {"role": "tool", "tool_call_id": result.call_id, "content": text}


def _words(part: Text | Image | File) -> str:
    match part:
        case Text():
            return part.text
        case Image():
            return "[The image follows.]"
        case File():
            return media.plain_text(part) or media.note(part).text


def _input(part: Part) -> Json:
    match part:
        case Text():
            marked = {"prompt_cache_breakpoint": {"mode": "explicit"}} if part.cache else {}
            return _text(part.text) | marked
        case Image():
            return _image(part)
        case File():
            return _file(part)
        case _:
            raise AssertionError(f"{type(part).__name__} in a user turn")


def _image(part: Image) -> Json:
    url = part.url
    if part.data and media.media_type(part) in _IMAGE_TYPES:
        url = media.data_url(part)
    if not url:
        return _text(media.note(part).text)
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {})}


def _file(part: File) -> Json:
    kind = media.media_type(part)
    if media.owned_by(part, PROVIDER):
        return {"type": "file", "file": {"file_id": part.file_id}}
    if part.data and kind in _AUDIO_FORMATS:
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": _AUDIO_FORMATS[kind]}}
    if part.data and kind == "application/pdf":
        named = {"filename": part.filename or "document.pdf", "file_data": media.data_url(part)}
        return {"type": "file", "file": named}
    if (text := media.plain_text(part)) is not None:
        return _text(media.titled(part, text).text)
    return _text(media.note(part).text)


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _content(parts: list[Json]) -> str | list[Json]:
    """A plain string where that says it all: every host takes one."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        text: str = parts[0]["text"]
        return text
    return parts


def _limit_breakpoints(messages: list[Json], most: int) -> None:
    parts = [p for m in messages if isinstance(m.get("content"), list) for p in m["content"]]
    marked = [part for part in parts if "prompt_cache_breakpoint" in part]
    for part in marked[: max(len(marked) - most, 0)]:
        del part["prompt_cache_breakpoint"]


def _tool(tool: Tool, profile: Profile) -> Json:
    function: Json = {"name": tool_name(tool.name, profile)}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(request: ChatRequest, profile: Profile) -> Json:
    fields: Json = {}
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    if request.tool_choice:
        fields["tool_choice"] = _choice(request.tool_choice, profile)
    return fields


def _choice(choice: ToolChoice, profile: Profile) -> str | Json:
    named: list[Json] = [
        {"type": "function", "function": {"name": tool_name(name, profile)}} for name in choice.names
    ]
    if choice.mode != "required" or not named or not profile.forced_tools:
        return choice.mode if profile.forced_tools or choice.mode != "required" else "auto"
    if len(named) == 1:
        return named[0]
    if not profile.first_party:
        return "required"
    return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}


def _response_format(form: ResponseFormat, profile: Profile) -> Json:
    if form.kind == "json_schema" and form.schema is not None:
        wanted: Json = {"name": tool_name(form.name or "answer", profile), "schema": form.schema}
        if form.description:
            wanted["description"] = form.description
        if form.strict is not None:
            wanted["strict"] = form.strict
        return {"type": "json_schema", "json_schema": wanted}
    return {"type": "text" if form.kind == "text" else "json_object"}
