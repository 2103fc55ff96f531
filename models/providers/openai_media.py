"""What OpenAI's two APIs say of images, files, caches and JSON, each in a spelling of its own."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from models.chat import File, Image, ResponseFormat
from models.providers import media

PROVIDER = "openai"
AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")

JSON_WANTED = "Answer with one JSON object and nothing else."


def image_url(part: Image) -> str:
    """Empty where the image cannot be shown."""
    if part.data:
        return media.data_url(part) if media.media_type(part) in _IMAGE_TYPES else ""
    return part.url


def is_pdf(part: File) -> bool:
    return media.media_type(part) == "application/pdf"


def pdf_fields(part: File) -> dict[str, str]:
    return {"filename": part.filename or "document.pdf", "file_data": media.data_url(part)}


def limit_breakpoints(messages: Iterable[dict[str, Any]], most: int) -> None:
    """Keeps the latest cache marks."""
    lists = [held for m in messages for held in (m.get("content"), m.get("output")) if isinstance(held, list)]
    marked = [part for held in lists for part in held if "prompt_cache_breakpoint" in part]
    for part in marked[: max(len(marked) - most, 0)]:
        del part["prompt_cache_breakpoint"]


def needs_word(form: ResponseFormat | None, messages: Sequence[dict[str, Any]]) -> bool:
    """A request for a JSON object is refused unless a message speaks of JSON."""
    if form is None or form.kind == "text" or form.schema is not None:
        return False
    return not any("json" in text.lower() for message in messages for text in _texts(message))


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if "text" in part)
