"""What a request asks of a model, read off its structure."""

from collections.abc import Iterator

from models.catalog import Capability
from models.chat import ChatRequest, File, Image, Part, ToolResult

ASSUMED_OUTPUT_TOKENS = 4_096
"""Room that an answer is given where the caller set no limit."""

_PLAIN_DOCUMENTS = ("text/", "application/json", "application/xml")
_MEDIA: dict[str, Capability] = {"audio": "audio", "video": "video", "image": "vision"}


def needs(request: ChatRequest) -> frozenset[Capability]:
    """Capabilities without which the request cannot be served; wishes (reasoning, say) are not among them."""
    found: set[Capability] = set()
    for message in request.messages:
        for part in message.parts:
            found.update(_part_needs(part))
    if request.tools:
        found.add("tools")
    if request.response_format is not None and request.response_format.kind == "json_schema":
        found.add("structured_output")
    if request.stream:
        found.add("streaming")
    return frozenset(found)


def _part_needs(part: Part) -> Iterator[Capability]:
    if isinstance(part, Image):
        yield "vision"
    elif isinstance(part, File) and not part.text and not part.media_type.startswith(_PLAIN_DOCUMENTS):
        yield _MEDIA.get(part.media_type.partition("/")[0], "pdf")
    elif isinstance(part, ToolResult):
        for inner in part.parts:
            yield from _part_needs(inner)
