"""Gemini generateContent: the turns as contents of parts, in the REST API's camelCase.

Source: google-genai 3.4, types.py (Part and what it names); thought signatures: the Gemini thinking guide.
"""

from typing import Any

from models.chat import (
    File,
    Image,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.parts import artefact
from models.providers import media, parameters
from models.providers.history import Home, Turn
from models.providers.names import tool_name
from models.providers.private import BLOCK, opened, restored
from models.providers.profiles import Profile

Json = dict[str, Any]

PROVIDER = "google"
SIGNATURE = "thought_signature"
INNER = "inner"
"""Kind of an artefact: fields beside a call's, a response's or a blob's own, within its object."""
HOME = Home(PROVIDER, frozenset((SIGNATURE, "thought", BLOCK)), signs_empty_texts=True)
_UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a call that another model made."""


def content(turn: Turn, profile: Profile) -> Json:
    if turn.role == "assistant":
        parts = [_said(part, profile) for part in turn.parts]
        calls = [part for part in parts if "functionCall" in part]
        if calls and profile.signed_calls:
            calls[0].setdefault("thoughtSignature", _UNSIGNED)
        return {"role": "model", "parts": parts}
    results = [_response(result, profile) for result in turn.results]
    # What a response cannot hold follows all of them, so that their number stays the calls'.
    beside = [part for result in turn.results for part in result.parts if not _fits(part, profile)]
    rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
    return {"role": "user", "parts": results + [_input(part) for part in (*beside, *rest)]}


def _said(part: Part, profile: Profile) -> Json:
    match part:
        case Text():
            return _whole({"text": part.text}, part.opaque)
        case Thinking():
            return _whole({"text": part.text, "thought": True}, part.opaque)
        case ToolCall():
            call: Json = {
                "name": tool_name(part.name, profile),
                "args": parameters.arguments(part.arguments),
            }
            if profile.call_ids and part.id:
                call["id"] = part.id
            return _whole({"functionCall": restored(call, part.opaque, PROVIDER, INNER)}, part.opaque)
        case _:
            return _input(part)


def _whole(wire: Json, held: tuple[Opaque, ...]) -> Json:
    """With the signature that came with the part, and what else stood beside its data."""
    if signature := artefact(held, PROVIDER, SIGNATURE):
        wire["thoughtSignature"] = signature
    return restored(wire, held, PROVIDER)


def _input(part: Part) -> Json:
    match part:
        case Text() | Refusal():
            return _whole({"text": part.text}, part.opaque)
        case Image():
            return _whole(_blob(part), part.opaque)
        case File():
            return _whole(_file(part), part.opaque)
        case Native():
            return opened(part.opaque.value)
        case _:
            raise AssertionError(f"{type(part).__name__} in a user turn")


def _file(part: File) -> Json:
    text = media.plain_text(part)
    if text is None or (part.data and media.media_type(part).startswith("text/")):
        return _blob(part)
    return {"text": media.titled(part, text).text}


def _blob(part: Image | File) -> Json:
    kind = media.media_type(part)
    if part.data:
        inline = {"mimeType": kind, "data": part.data}
        return {"inlineData": restored(inline, part.opaque, PROVIDER, INNER)}
    if part.url or media.owned_by(part, PROVIDER):
        stored = {"mimeType": kind, "fileUri": part.url or part.file_id}
        return {"fileData": restored(stored, part.opaque, PROVIDER, INNER)}
    return {"text": media.note(part).text}


def _fits(part: Text | Image | File | Native, profile: Profile) -> bool:
    """Whether a function's response can hold it."""
    return isinstance(part, Native) or _is_inline(part, profile) or _words(part) is not None


def _is_inline(part: Text | Image | File, profile: Profile) -> bool:
    if isinstance(part, Text) or not part.data:
        return False
    return media.media_type(part) in profile.media_in_results


def _words(part: Text | Image | File | Native) -> str | None:
    if isinstance(part, Text):
        return part.text
    return media.plain_text(part) if isinstance(part, File) else None


def _response(result: ToolResult, profile: Profile) -> Json:
    inline: list[Json] = []
    texts: list[str] = []
    for part in result.parts:
        if isinstance(part, Native):
            inline.append(opened(part.opaque.value))
        elif _is_inline(part, profile):
            inline.append(_input(part))
        elif (words := _words(part)) is not None:
            texts.append(words)
    as_given = artefact(result.opaque, PROVIDER, "response")
    outcome = {"error" if result.is_error else "output": "\n".join(texts)}
    response: Json = {"name": tool_name(result.name, profile)}
    response["response"] = outcome if as_given is None else opened(as_given)
    if profile.call_ids and result.call_id:
        response["id"] = result.call_id
    if inline:
        response["parts"] = inline
    whole = {"functionResponse": restored(response, result.opaque, PROVIDER, INNER)}
    return restored(whole, result.opaque, PROVIDER)
