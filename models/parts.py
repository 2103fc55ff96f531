"""What a message is made of.

Provider-private artefacts (signatures, encrypted reasoning, blocks of tools that the provider ran itself,
fields that it alone has) ride along as `Opaque` and go home only.
"""

import json
from typing import Any, Literal

import msgspec
from msgspec import Struct

CacheTtl = Literal["5m", "1h"]
Detail = Literal["auto", "low", "high", "original"]

REST = "rest"
"""Kind of an artefact that holds what a provider's block says beyond the canonical part: a JSON object."""
EVENT = "event"
"""Kind of a stream's artefact: what its provider's events say beyond the canonical chunks."""
RAW_EVENT = "raw_event"
"""Kind of a stream's artefact: an event of a kind of its provider's own, whole."""
MADE_ID = "made_id"
"""Kind of an artefact: the provider gave the call no id, and has to be sent none."""


class Opaque(Struct, frozen=True, omit_defaults=True):
    """Something only `provider` can read: replayed to it verbatim, never shown to another."""

    provider: str
    kind: str
    """What the provider calls it: `signature`, `redacted_thinking`, `thought_signature`…"""
    value: str
    """Verbatim text; JSON where the provider's artefact is structured."""


class Citation(Struct, frozen=True, omit_defaults=True):
    """Where a stretch of an answer came from."""

    text: str = ""
    title: str = ""
    url: str = ""
    opaque: Opaque | None = None


class Text(Struct, frozen=True, omit_defaults=True, tag="text"):
    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheTtl | None = None
    """The caller asked that the provider caches the prompt up to here."""
    opaque: tuple[Opaque, ...] = ()


class Image(Struct, frozen=True, omit_defaults=True, tag="image"):
    """Exactly one of `data` (base64), `url`, `file_id` is set."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    file_provider: str = ""
    detail: Detail | None = None
    cache: CacheTtl | None = None
    opaque: tuple[Opaque, ...] = ()


class File(Struct, frozen=True, omit_defaults=True, tag="file"):
    """A document, sound or video. Exactly one of `data` (base64), `text`, `url`, `file_id` is set."""

    media_type: str = ""
    filename: str = ""
    data: str = ""
    text: str = ""
    url: str = ""
    file_id: str = ""
    file_provider: str = ""
    cache: CacheTtl | None = None
    opaque: tuple[Opaque, ...] = ()


class ToolCall(Struct, frozen=True, omit_defaults=True, tag="tool_call"):
    id: str
    """Empty where the protocol gave none: then order pairs calls and results of one name."""
    name: str
    arguments: str
    """JSON text as the model wrote it; it may be cut off or invalid."""
    opaque: tuple[Opaque, ...] = ()
    freeform: bool = False
    """The tool takes one text (OpenAI's custom tools): it is `input` of the arguments."""


class Native(Struct, frozen=True, omit_defaults=True, tag="native"):
    """A block that one provider alone understands, such as a search that it ran itself: verbatim."""

    opaque: Opaque
    parts: tuple[Text, ...] = ()
    """What other providers are told in its place, if anything."""


class ToolResult(Struct, frozen=True, omit_defaults=True, tag="tool_result"):
    call_id: str
    parts: tuple[Text | Image | File | Native, ...] = ()
    name: str = ""
    is_error: bool = False
    cache: CacheTtl | None = None
    opaque: tuple[Opaque, ...] = ()


class Thinking(Struct, frozen=True, omit_defaults=True, tag="thinking"):
    text: str = ""
    opaque: tuple[Opaque, ...] = ()


class Refusal(Struct, frozen=True, omit_defaults=True, tag="refusal"):
    text: str
    opaque: tuple[Opaque, ...] = ()


Part = Text | Image | File | ToolCall | ToolResult | Thinking | Refusal | Native


def artefact(held: tuple[Opaque, ...], provider: str, kind: str) -> str | None:
    """The value of that provider's artefact of that kind, if there is one."""
    for opaque in held:
        if opaque.provider == provider and opaque.kind == kind:
            return opaque.value
    return None


def json_text(value: Any) -> str:
    """JSON without blanks, of integers of any size and of lone surrogates too."""
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, UnicodeEncodeError, msgspec.MsgspecError):
        return json.dumps(value, separators=(",", ":"))


def json_value(text: str) -> Any:
    """What `json_text` wrote. Raises ValueError where it is no JSON."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text, parse_constant=_no_number)


def _no_number(said: str) -> Any:
    raise ValueError(f"{said} is not JSON")
