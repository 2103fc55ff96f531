"""OpenAI's Responses API: the turns as input items.

Source: openai 3.54, types/responses/response_input_item_param.py and what it names.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from models.chat import File, Image, Native, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from models.parts import artefact
from models.providers import media, parameters
from models.providers.history import Home, Turn
from models.providers.names import tool_name
from models.providers.openai_media import PROVIDER as OPENAI
from models.providers.openai_media import image_url, is_pdf, pdf_fields
from models.providers.private import BLOCK, opened, restored
from models.providers.profiles import Profile
from models.providers.stand_ins import ERROR_LABEL

Json = dict[str, Any]

PROVIDER = "openai_responses"
"""Whose the artefacts are: the Chat API of the same provider cannot read them."""
HOME = Home(PROVIDER, frozenset(("reasoning", BLOCK)))
_CLIENT_RUN = frozenset(("computer_call", "local_shell_call", "shell_call", "apply_patch_call"))
"""Calls of tools that the caller runs: each needs its output."""
_PLAIN = {"type", "text", "annotations"}


def items(turns: Iterable[Turn], profile: Profile) -> list[Json]:
    freeform: set[str] = set()
    out: list[Json] = []
    for turn in turns:
        freeform.update(call.id for call in turn.calls if call.freeform)
        if turn.role == "assistant":
            out += _answer(turn, profile)
        else:
            out += [_output(result, profile, freeform) for result in turn.results]
            out += _heard(turn, profile)
    return out


def _heard(turn: Turn, profile: Profile) -> list[Json]:
    out: list[Json] = []
    content: list[Json] = []
    for part in turn.parts:
        if isinstance(part, Native):
            out += _message(turn, content)
            content = []
            out.append(opened(part.opaque.value))
        elif not isinstance(part, ToolResult):
            content.append(_input(part, profile))
    return out + _message(turn, content)


def without_loose_ends(written: Sequence[Json]) -> list[Json]:
    """Reasoning whose item is gone, and native calls and outputs without each other, are refused."""
    out: list[Json] = []
    for item in reversed(_whole_exchanges(written)):
        if item.get("type") != "reasoning" or (out and _may_follow_reasoning(out[-1])):
            out.append(item)
    return out[::-1]


def _whole_exchanges(written: Sequence[Json]) -> list[Json]:
    called: dict[object, int] = {}
    answered: set[object] = set()
    kept: list[Json] = []
    for item in written:
        call_id = item.get("call_id")
        if _is_output(item):
            if call_id not in called or call_id in answered:
                continue
            answered.add(call_id)
        elif _is_call(item) and "call_id" in item:
            if call_id in called:
                continue
            called[call_id] = len(kept)
        kept.append(item)
    open_calls = {id(kept[at]) for call_id, at in called.items() if call_id not in answered}
    return [item for item in kept if item.get("type") not in _CLIENT_RUN or id(item) not in open_calls]


def _is_call(item: Json) -> bool:
    return str(item.get("type", "")).endswith("_call")


def _is_output(item: Json) -> bool:
    return str(item.get("type", "")).endswith("_call_output")


def _may_follow_reasoning(item: Json) -> bool:
    return item.get("role") == "assistant" or item.get("type") == "reasoning" or _is_call(item)


def _message(turn: Turn, content: list[Json]) -> list[Json]:
    if not content:
        return []
    plain = len(content) == 1 and content[0].keys() == {"type", "text"}
    written: str | list[Json] = content[0]["text"] if plain else content
    return [restored({"role": turn.role, "content": written}, turn.opaque, PROVIDER)]


def _answer(turn: Turn, profile: Profile) -> list[Json]:
    out: list[Json] = []
    content: list[Json] = []
    for part in turn.parts:
        if isinstance(part, Text | Refusal):
            content.append(_said(part))
        elif isinstance(part, File) or (isinstance(part, Image) and _drawn(part) is None):
            content.append(_said(media.note(part)))
        else:
            out += _said_message(turn, content)
            content = []
            out += _item(part, profile)
    return out + _said_message(turn, content)


def _said_message(turn: Turn, content: list[Json]) -> list[Json]:
    if not content:
        return []
    message = restored({"role": "assistant", "content": content}, turn.opaque, PROVIDER)
    plain = len(content) == 1 and content[0].keys() == _PLAIN and not content[0]["annotations"]
    if plain and "id" not in message:
        message["content"] = content[0]["text"]
    return [message]


def _said(part: Text | Refusal) -> Json:
    if isinstance(part, Refusal):
        return restored({"type": "refusal", "refusal": part.text}, part.opaque, PROVIDER)
    held = [cited.opaque for cited in part.citations if cited.opaque]
    annotations = [opened(o.value) for o in held if o.provider == PROVIDER]
    said = {"type": "output_text", "text": part.text, "annotations": annotations}
    return restored(said, part.opaque, PROVIDER)


def _item(part: Part, profile: Profile) -> list[Json]:
    match part:
        case Thinking():
            value = artefact(part.opaque, PROVIDER, "reasoning")
            return [opened(value)] if value else []
        case ToolCall():
            return [_call(part, profile)]
        case Native():
            return [opened(part.opaque.value)]
        case Image():
            return [{"type": "image_generation_call", "result": part.data} | opened(_drawn(part) or "")]
        case _:
            raise AssertionError(f"{type(part).__name__} in an assistant's turn")


def _drawn(part: Image) -> str | None:
    """What beside its data an image had that the provider itself made."""
    return artefact(part.opaque, PROVIDER, "drawn")


def _call(call: ToolCall, profile: Profile) -> Json:
    wire: Json = {"call_id": call.id, "name": tool_name(call.name, profile)}
    if call.freeform:
        wire |= {"type": "custom_tool_call", "input": parameters.freeform(call.arguments)}
    else:
        wire |= {"type": "function_call", "arguments": parameters.arguments_text(call.arguments)}
    return restored(wire, call.opaque, PROVIDER)


def _output(result: ToolResult, profile: Profile, freeform: Collection[str]) -> Json:
    content = [_inner(part, profile) for part in result.parts]
    if result.is_error:
        first = content[0] if content and content[0]["type"] == "input_text" else {}
        text = "\n".join(filter(None, (ERROR_LABEL, first.get("text"))))
        content[: 1 if first else 0] = [{"type": "input_text", "text": text}]
    plain = len(content) == 1 and content[0].keys() == {"type", "text"}
    output: str | list[Json] = content[0]["text"] if plain else content or ""
    kind = "custom_tool_call_output" if result.call_id in freeform else "function_call_output"
    wire: Json = {"type": kind, "call_id": result.call_id, "output": output}
    return restored(wire, result.opaque, PROVIDER)


def _inner(part: Text | Image | File | Native, profile: Profile) -> Json:
    return opened(part.opaque.value) if isinstance(part, Native) else _input(part, profile)


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
    detail = {"detail": part.detail or "auto"}
    if media.owned_by(part, OPENAI):
        return {"type": "input_image", "file_id": part.file_id} | detail
    if url := image_url(part):
        return {"type": "input_image", "image_url": url} | detail
    return _text(media.note(part).text)


def _file(part: File) -> Json:
    named = {"filename": part.filename} if part.filename else {}
    if media.owned_by(part, OPENAI):
        return {"type": "input_file", "file_id": part.file_id} | named
    if part.data and is_pdf(part):
        return {"type": "input_file"} | pdf_fields(part)
    if (text := media.plain_text(part)) is not None:
        return _text(media.titled(part, text).text)
    if part.url and is_pdf(part):
        return {"type": "input_file", "file_url": part.url} | named
    return _text(media.note(part).text)


def _text(text: str) -> Json:
    return {"type": "input_text", "text": text}
