"""What both of OpenAI's APIs write alike: images and files by data URL or address, tools that take a text."""

import re
from typing import Any

from models.chat import File, Image
from models.dialects.reading import wrong

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,", re.ASCII)

FREEFORM = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""What a custom tool takes, as the JSON Schema that other providers want."""


def image_of(url: str, where: str, **fields: Any) -> Image:
    if found := _DATA_URL.match(url):
        return Image(found.group(1) or "image/png", url[found.end() :], **fields)
    if not url.startswith(("https://", "http://")):
        raise wrong(where, "is to be an http(s) URL or a base64 data URL")
    return Image(url=url, **fields)


def file_of(data: str, filename: str, **fields: Any) -> File:
    """`data` is a data URL, the bare base64 of a PDF, or where it lies, as other gateways take it too."""
    if data.startswith(("https://", "http://")):
        return File("application/pdf", filename, url=data, **fields)
    found = _DATA_URL.match(data)
    media_type = (found.group(1) if found else "") or "application/pdf"
    return File(media_type, filename, data[found.end() :] if found else data, **fields)
