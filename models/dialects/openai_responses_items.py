"""The input items of OpenAI's Responses API, read to canonical messages.

Source: openai 3.54, types/responses/response_input_item_param.py and what it names.
"""

from typing import Literal

from models.chat import (
    CacheTtl,
    Citation,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.dialects.openai_forms import file_of, image_of
from models.dialects.openai_responses_compaction import told
from models.dialects.reading import Reader, readers
from models.parts import json_text

PROVIDER = "openai_responses"
"""Whose the artefacts are: the Chat API of the same provider cannot read them."""
INSTRUCTIONS = "instructions"
"""Kind of a system message's artefact: it was given apart from the input."""
_FILES_OF = "openai"
_Role = Literal["system", "developer", "user", "assistant"]
_Detail = Literal["auto", "low", "high", "original"]
_ELSEWHERE = Text("[not shown: an item that only its provider has]")
_CALLERS_OWN = ("mcp_approval_response", "additional_tools", "compaction_trigger")
"""Items beside outputs that the caller makes rather than the model."""


def message(item: Reader) -> Message:
    """One item; answers of several items are several messages of the assistant."""
    match item.kind("message"):
        case "message":
            return _message(item)
        case "reasoning":
            said = [one.text("text") for name in ("summary", "content") for one in item.each(name)]
            own = Opaque(PROVIDER, "reasoning", json_text(item.raw))
            return Message("assistant", (Thinking("\n\n".join(filter(None, said)), (own,)),))
        case "function_call" | "custom_tool_call":
            return Message("assistant", (_call(item),))
        case "function_call_output" | "custom_tool_call_output":
            return Message("tool", (_output(item),))
        case "compaction" if (summary := told(item.raw.get("encrypted_content"))) is not None:
            return summary
        case "image_generation_call" if item.raw.get("result"):
            data = item.need("result", str)
            return Message("assistant", (Image("image/png", data, opaque=item.kept(PROVIDER, "drawn")),))
        case kind:
            shown = (_ELSEWHERE,) if kind == "item_reference" else ()
            block = Native(Opaque(PROVIDER, "block", json_text(item.raw)), shown)
            is_callers = kind.endswith("_output") or kind in _CALLERS_OWN
            return Message("user" if is_callers else "assistant", (block,))


def _message(item: Reader) -> Message:
    role = item.one_of("role", _Role)
    if role is None:
        raise item.wrong("role", "is missing")
    content = item.peek("content")
    parts: tuple[Part, ...]
    if isinstance(content, str):
        parts = (Text(content),)
    elif content is None:
        raise item.wrong("content", "is missing")
    else:
        parts = tuple(_part(part) for part in readers(content, item.path("content")))
    if "type" in item.raw:
        own = Opaque(PROVIDER, "rest", json_text({**item.rest, "type": "message"}))
        return Message(role, parts, opaque=(own,))
    return Message(role, parts, opaque=item.kept(PROVIDER))


def _part(part: Reader) -> Text | Image | File | Refusal:
    match part.kind():
        case "input_text" | "output_text" | "text":
            return _text(part)
        case "refusal":
            return Refusal(part.need("refusal", str), part.kept(PROVIDER))
        case "input_image":
            return _image(part)
        case "input_file":
            return _file(part)
        case kind:
            raise part.wrong("type", f"is to be a part of a message, not {kind or 'absent'}")


def _text(part: Reader) -> Text:
    said, cache = part.need("text", str), _mark(part)
    cited = tuple(
        Citation(
            title=one.text("title") or one.text("filename"),
            url=one.text("url"),
            opaque=Opaque(PROVIDER, "annotation", json_text(one.raw)),
        )
        for one in part.each("annotations")
    )
    return Text(said, cited, cache, part.kept(PROVIDER))


def _mark(part: Reader) -> CacheTtl | None:
    asked = part.raw.get("prompt_cache_breakpoint")
    if not isinstance(asked, dict):
        return None
    if asked == {"mode": "explicit"}:
        part.skip("prompt_cache_breakpoint")
    return "1h" if asked.get("ttl") == "12h" else "5m"


def _image(part: Reader) -> Image:
    url, file_id = part.text("image_url"), part.text("file_id")
    detail, cache = part.one_of("detail", _Detail), _mark(part)
    kept = part.kept(PROVIDER)
    if file_id:
        return Image(file_id=file_id, file_provider=_FILES_OF, detail=detail, cache=cache, opaque=kept)
    return image_of(url, part.path("image_url"), detail=detail, cache=cache, opaque=kept)


def _file(part: Reader) -> File:
    data, url, file_id = part.text("file_data"), part.text("file_url"), part.text("file_id")
    name, cache = part.text("filename"), _mark(part)
    kept = part.kept(PROVIDER)
    if file_id:
        return File("", name, file_id=file_id, file_provider=_FILES_OF, cache=cache, opaque=kept)
    if url:
        return File("application/pdf", name, url=url, cache=cache, opaque=kept)
    if not data:
        raise part.wrong("file_data", "is missing")
    return file_of(data, name, cache=cache, opaque=kept)


def _call(item: Reader) -> ToolCall:
    is_freeform = item.kind() == "custom_tool_call"
    call_id, name = item.need("call_id", str), item.need("name", str)
    arguments = json_text({"input": item.need("input", str)}) if is_freeform else item.text("arguments")
    return ToolCall(call_id, name, arguments, item.kept(PROVIDER), is_freeform)


def _output(item: Reader) -> ToolResult:
    call_id, given = item.text("call_id"), item.peek("output")
    parts: list[Text | Image | File | Native] = []
    if isinstance(given, str):
        parts.append(Text(given))
    elif given is not None:
        for part in readers(given, item.path("output")):
            read = _part(part)
            parts.append(Text(read.text) if isinstance(read, Refusal) else read)
    return ToolResult(call_id, tuple(parts), opaque=item.kept(PROVIDER))
