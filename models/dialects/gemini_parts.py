"""Gemini's contents and parts, read to canonical messages.

Source: google-genai 3.4, types.py (Content, Part and what it names).
"""

import re
from typing import Any

from models.chat import File, Image, Message, Native, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from models.dialects.reading import Reader
from models.parts import json_text

PROVIDER = "google"
INNER = "inner"
"""Kind of an artefact: fields beside a call's, a response's or a blob's own, within its object."""
_STORED = re.compile(r"gs://|files/|https://generativelanguage\.googleapis\.com/")
"""Addresses that mean something to Google alone."""
_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse")


def messages(content: Reader) -> list[Message]:
    """A content's function responses are a message of their own, before what was said with them."""
    role = content.text("role") or "user"
    if role not in ("user", "model", "function"):
        raise content.wrong("role", "is to be user or model")
    parts = [_part(part) for part in content.each("parts")]
    if role == "model":
        return [Message("assistant", tuple(parts))]
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    given = [Message("tool", results)] if results else []
    return given if results and not others else [*given, Message("user", others)]


def _part(part: Reader) -> Part:
    signature, is_thought = part.text("thoughtSignature"), part.maybe("thought", bool)
    signed = (Opaque(PROVIDER, "thought_signature", signature),) if signature else ()
    if call := part.inner("functionCall"):
        id, name = call.text("id"), call.need("name", str)
        arguments = json_text(call.maybe("args", dict) or {})
        return ToolCall(id, name, arguments, signed + call.kept(PROVIDER, INNER) + part.kept(PROVIDER))
    if response := part.inner("functionResponse"):
        return _result(response, part.kept(PROVIDER))
    if (blob := part.inner("inlineData") or part.inner("fileData")) is not None:
        return _media(blob, signed + part.kept(PROVIDER))
    said = part.maybe("text", str)
    if said is None and not signature:
        return Native(Opaque(PROVIDER, "block", json_text(part.raw)), _told(part.raw))
    kept = signed + part.kept(PROVIDER)
    if not is_thought:
        return Text(said or "", opaque=kept)
    marked = (Opaque(PROVIDER, "thought", "true"),) if said and said.strip() else ()
    return Thinking(said or "", marked + kept)


def _result(response: Reader, kept: tuple[Opaque, ...]) -> ToolResult:
    call_id, name = response.text("id"), response.need("name", str)
    given = response.maybe("response", dict) or {}
    said, is_plain = _words(given)
    parts: tuple[Text | Image | File | Native, ...] = (Text(said),) if said else ()
    parts += tuple(_inner(one) for one in response.each("parts"))
    own = response.kept(PROVIDER, INNER) + kept
    if not is_plain:
        own = (Opaque(PROVIDER, "response", json_text(given)), *own)
    return ToolResult(call_id, parts, name, "error" in given, opaque=own)


def _words(given: dict[str, Any]) -> tuple[str, bool]:
    """What a response says, and whether that says it all."""
    if len(given) == 1:
        [(key, value)] = given.items()
        if isinstance(value, str) and key in ("output", "result", "error"):
            return value, key != "result"
        if key in ("output", "result", "error"):
            return json_text(value), False
    return (json_text(given) if given else ""), False


def _inner(part: Reader) -> Image | File | Native:
    if (blob := part.inner("inlineData")) is not None:
        return _media(blob, part.kept(PROVIDER))
    return Native(Opaque(PROVIDER, "block", json_text(part.raw)))


def _media(blob: Reader, kept: tuple[Opaque, ...]) -> Image | File:
    media_type, data, uri = blob.text("mimeType"), blob.text("data"), blob.text("fileUri")
    if not data and not uri:
        raise blob.wrong("data", "is missing")
    own = blob.kept(PROVIDER, INNER) + kept
    url, file_id = ("", uri) if _STORED.match(uri) else (uri, "")
    owner = PROVIDER if file_id else ""
    if media_type.startswith("image/"):
        return Image(media_type, data, url, file_id, owner, opaque=own)
    name = blob.text("displayName")
    return File(media_type, name, data, url=url, file_id=file_id, file_provider=owner, opaque=own)


def _told(raw: dict[str, Any]) -> tuple[Text, ...]:
    """Code that the model ran, and what came of it, are worth telling others."""
    code, outcome = raw.get("executableCode"), raw.get("codeExecutionResult")
    if isinstance(code, dict) and isinstance(said := code.get("code"), str) and said:
        return (Text(f"```{str(code.get('language') or '').lower()}\n{said}\n```"),)
    if isinstance(outcome, dict) and isinstance(said := outcome.get("output"), str) and said:
        return (Text(f"```\n{said}\n```"),)
    return ()
