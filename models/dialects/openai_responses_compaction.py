"""The item that stands for a compacted conversation, as we make it.

Its content is the caller's own conversation, which any model may be told of: it is encoded, not encrypted.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from models.chat import Message, Text

_OURS = "pvx1."
_TITLE = "What was said before, in short:\n"


def compaction_item(id: str, summary: str) -> dict[str, Any]:
    content = _OURS + urlsafe_b64encode(summary.encode("utf-8", "surrogatepass")).decode()
    return {"id": id, "type": "compaction", "encrypted_content": content}


def told(content: object) -> Message | None:
    """What a model is told in its place; None of one that another made."""
    if not isinstance(content, str) or not content.startswith(_OURS):
        return None
    try:
        summary = urlsafe_b64decode(content.removeprefix(_OURS)).decode()
    except ValueError:
        return None
    return Message("user", (Text(_TITLE + summary),))
