"""How many tokens a message is for a model family, pictures and documents included."""

from collections.abc import Iterable

from models.chat import File, Image, Message, Native, Part, Thinking, ToolResult
from models.context.tokens import MESSAGE_OVERHEAD, Count
from models.context.turns import turns_of

IMAGE_TOKENS = 1_600
"""Of a picture in full detail at the dearest of the three providers, rounded up."""
REMOTE_FILE_TOKENS = 10_000
"""Of a document behind a URL or an id, whose length is not known here."""
_BASE64_CHARS_PER_TOKEN = 20
"""A page of a PDF is about 50 KB and 2,500 tokens."""
_MOST_FILE_TOKENS = 200_000
_SEALED_CHARS_PER_TOKEN = 5
"""Of reasoning that its provider alone can read: base64 of what was about four characters a token."""


def message_tokens(message: Message, count: Count, *, reader: str = "") -> int:
    """`reader` is the provider that it is sent to: its own reasoning goes along."""
    text = sum(count(turn.body) + MESSAGE_OVERHEAD for turn in turns_of([message]))
    return text + media_tokens(message.parts, count) + _thoughts(message.parts, count, reader)


def media_tokens(parts: Iterable[Part], count: Count) -> int:
    """Of whatever is no text."""
    total = 0
    for part in parts:
        match part:
            case Image():
                total += IMAGE_TOKENS
            case File(text="", data=data):
                guessed = len(data) // _BASE64_CHARS_PER_TOKEN if data else REMOTE_FILE_TOKENS
                total += min(guessed, _MOST_FILE_TOKENS)
            case ToolResult(parts=inner):
                total += media_tokens(inner, count)
            case Native(opaque=opaque):
                total += count(opaque.value)
            case _:
                pass
    return total


def _thoughts(parts: Iterable[Part], count: Count, reader: str) -> int:
    total = 0
    for part in parts:
        if isinstance(part, Thinking):
            sealed = sum(len(one.value) for one in part.opaque if one.provider == reader)
            total += max(count(part.text), sealed // _SEALED_CHARS_PER_TOKEN) if sealed else 0
    return total
