"""OpenAI chat completions and the hosts that speak it: the turns as messages.

Source: openai 3.54, types/chat/chat_completion_*_message_param.py and chat_completion_content_part_*.py.
"""

from typing import Any, assert_never

from models.chat import File, Image, Native, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from models.providers import media, parameters
from models.providers.history import Home, Turn
from models.providers.names import tool_name
from models.providers.openai_media import AUDIO_FORMATS, PROVIDER, image_url, is_pdf, pdf_fields
from models.providers.private import restored
from models.providers.profiles import Profile
from models.providers.stand_ins import ERROR_LABEL, FILE_FOLLOWS, IMAGE_FOLLOWS, shown_by

Json = dict[str, Any]

AUDIO = "audio"
"""Kind of an artefact: the id of what the assistant said aloud, kept by the provider for an hour."""
HOME = Home(PROVIDER, frozenset((AUDIO,)))


def messages(turn: Turn, profile: Profile) -> list[Json]:
    if turn.role == "assistant":
        return [said] if (said := _assistant(turn, profile)) else []
    if turn.results:
        return _results(turn.results, profile)
    role = "system" if turn.role == "developer" and not profile.first_party else turn.role
    named = {"name": turn.name} if turn.name else {}
    content = [_input(part, profile) for part in turn.parts if not isinstance(part, Native)]
    return [{"role": role, "content": _content(content)} | named] if content else []


def _assistant(turn: Turn, profile: Profile) -> Json:
    content: list[Json] = []
    refusals: list[str] = []
    message: Json = {"role": "assistant"} | ({"name": turn.name} if turn.name else {})
    last_text = max((at for at, part in enumerate(turn.parts) if isinstance(part, Text)), default=-1)
    earlier = turn.parts[: last_text + 1]
    for part in turn.parts:
        match part:
            case Refusal() if profile.first_party and part not in earlier:
                refusals.append(part.text)
            case Text() | Refusal():
                content.append(_text(part.text))
            case Image() | File():
                content.append(_text(media.note(part).text))
            case Native():
                message["audio"] = {"id": part.opaque.value}
            case ToolCall() | Thinking() | ToolResult():
                pass
            case _:
                assert_never(part)
    if not (content or refusals or turn.calls or "audio" in message):
        return {}
    message["content"] = _content(content) if content else None
    if refusals:
        message["refusal"] = "\n".join(refusals)
    if turn.calls:
        message["tool_calls"] = [_call(call, profile) for call in turn.calls]
    return message


def _call(call: ToolCall, profile: Profile) -> Json:
    name = tool_name(call.name, profile)
    if call.freeform and profile.first_party:
        custom = {"name": name, "input": parameters.freeform(call.arguments)}
        return {"id": call.id, "type": "custom", "custom": custom}
    function = {"name": name, "arguments": parameters.arguments_text(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _results(results: tuple[ToolResult, ...], profile: Profile) -> list[Json]:
    """Tool messages hold text alone, so what a tool drew is shown by the user right after all of them."""
    told: list[Json] = []
    showing: list[tuple[str, list[Json]]] = []
    for result in results:
        wires = [_input(part, profile) for part in result.parts]
        words = [_words(part, wire) for part, wire in zip(result.parts, wires, strict=True)]
        told.append(_tool_message(result, words, profile))
        if shown := [wire for wire in wires if wire["type"] != "text"]:
            showing.append((result.call_id, shown))
    content: list[Json] = []
    for call_id, shown in showing:
        content += [_text(shown_by(call_id))] if len(showing) > 1 else []
        content += shown
    return [*told, {"role": "user", "content": content}] if content else told


def _tool_message(result: ToolResult, words: list[str], profile: Profile) -> Json:
    if result.is_error:
        words = ["\n".join([ERROR_LABEL, *words[:1]]), *words[1:]]
    # A list keeps the parts apart, which not every host takes.
    as_list = profile.first_party and len(words) > 1
    content = [_text(text) for text in words] if as_list else "\n".join(words)
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _words(part: Part, wire: Json) -> str:
    if wire["type"] != "text":
        return IMAGE_FOLLOWS if isinstance(part, Image) else FILE_FOLLOWS
    text: str = wire["text"]
    return text


def _input(part: Part, profile: Profile) -> Json:
    match part:
        case Text():
            wire = _text(part.text)
        case Image():
            wire = _image(part)
        case File():
            wire = _file(part)
        case _:
            raise AssertionError(f"{type(part).__name__} in a user turn")
    if part.cache and profile.cache_breakpoints:
        wire["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return restored(wire, part.opaque, PROVIDER)


def _image(part: Image) -> Json:
    if not (url := image_url(part)):
        return _text(media.note(part).text)
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {})}


def _file(part: File) -> Json:
    kind = media.media_type(part)
    if media.owned_by(part, PROVIDER):
        named = {"filename": part.filename} if part.filename else {}
        return {"type": "file", "file": {"file_id": part.file_id} | named}
    if part.data and kind in AUDIO_FORMATS:
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": AUDIO_FORMATS[kind]}}
    if part.data and is_pdf(part):
        return {"type": "file", "file": pdf_fields(part)}
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
