"""Images and files in the forms that the wires share."""

import base64
import binascii
import mimetypes
from collections.abc import Sequence

from models.chat import File, Image, Message, Text

_TEXT_TYPES = ("application/json", "application/xml", "application/x-yaml", "application/yaml")
_DEFAULT = {Image: "image/jpeg", File: "application/octet-stream"}


def media_type(part: Image | File) -> str:
    """As declared, else by the name's ending."""
    if part.media_type:
        return part.media_type.split(";")[0].strip().lower()
    if isinstance(part, File) and part.text:
        return "text/plain"
    named = (isinstance(part, File) and part.filename) or part.url.split("?")[0]
    return mimetypes.guess_type(named)[0] or _DEFAULT[type(part)]


def data_url(part: Image | File) -> str:
    return f"data:{media_type(part)};base64,{part.data}"


def plain_text(part: File) -> str | None:
    """The document's words where it is text, however it was carried; None where it has none."""
    if part.text.strip():
        return part.text
    kind = media_type(part)
    if not part.data or not (kind.startswith("text/") or kind in _TEXT_TYPES):
        return None
    try:
        text = base64.b64decode(part.data).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if text.strip() else None


def owned_by(part: Image | File, provider: str) -> bool:
    """File ids mean something at the provider that gave them alone."""
    return bool(part.file_id) and part.file_provider == provider


def note(part: Image | File) -> Text:
    """Stands where the model cannot be shown the thing itself."""
    kind = media_type(part)
    noun = "image" if isinstance(part, Image) else kind.split("/")[0].replace("application", "file")
    named = part.filename if isinstance(part, File) else ""
    return Text(f"[{noun} not shown: {' '.join(filter(None, (named, kind, part.url)))}]")


def since_last_answer(messages: Sequence[Message]) -> Sequence[Message]:
    """What is new to the model that is asked."""
    ends = (at for at in reversed(range(len(messages))) if messages[at].role == "assistant")
    return messages[next(ends, -1) + 1 :]


def titled(part: File, text: str) -> Text:
    return Text(f"[{part.filename}]\n{text}" if part.filename else text)
