"""Anthropic's content blocks, read to canonical parts.

Source: anthropic 2.12, types/*_block_param.py.
"""

from typing import Any

from models.chat import (
    CacheTtl,
    Citation,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.dialects.reading import Reader, readers
from models.parts import REST, json_text

PROVIDER = "anthropic"
FOUND = "web_search_result_location"
"""Kind of a citation. Without its sealed index it is one that we made of another provider's."""
_NOT_SHOWN = Text("[not shown: a file that only its provider has]")
_Inner = Text | Image | File | Native


def messages(message: Reader) -> list[Message]:
    """A message's results are a message of their own, before what was said with them."""
    role = message.need("role", str)
    if role not in ("user", "assistant", "system"):
        raise message.wrong("role", "is to be user, assistant or system")
    parts = _content(message)
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    given = [Message("tool", results)] if results else []
    if not others and results:
        return given
    return [*given, Message(_role(role), others, opaque=message.kept(PROVIDER))]


def texts(value: object, where: str) -> tuple[Text, ...]:
    """A system prompt, or another content that is text alone."""
    if isinstance(value, str):
        return (Text(value),)
    return tuple(text(block) for block in readers(value, where))


def text(block: Reader) -> Text:
    block.skip("type")
    said, cache = block.need("text", str), mark(block)
    cited = tuple(_citation(one.raw) for one in block.each("citations"))
    return Text(said, cited, cache, block.kept(PROVIDER))


def mark(block: Reader) -> CacheTtl | None:
    control = block.inner("cache_control")
    if control is None:
        return None
    return "1h" if control.text("ttl") == "1h" else "5m"


def _role(role: str) -> Role:
    return "assistant" if role == "assistant" else "system" if role == "system" else "user"


def _content(message: Reader) -> tuple[Part, ...]:
    content = message.peek("content")
    if content is None:
        raise message.wrong("content", "is missing")
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(block) for block in readers(content, message.path("content")))


def _part(block: Reader) -> Part:
    match block.kind():
        case "thinking":
            said, signature = block.text("thinking"), block.text("signature")
            signed = (Opaque(PROVIDER, "signature", signature),) if signature else ()
            return Thinking(said, signed + block.kept(PROVIDER))
        case "redacted_thinking":
            return Thinking(opaque=(Opaque(PROVIDER, "redacted_thinking", block.need("data", str)),))
        case "tool_use":
            return _call(block)
        case "tool_result":
            return _result(block)
        case _:
            return _inner(block)


def _inner(block: Reader) -> _Inner:
    """What may stand in a result too."""
    match block.kind():
        case "text":
            return text(block)
        case "image":
            return _image(block)
        case "document":
            return _document(block)
        case "":
            raise block.wrong("type", "is missing")
        case _:
            return Native(Opaque(PROVIDER, "block", json_text(block.raw)), _told(block))


def _told(block: Reader) -> tuple[Text, ...]:
    """What another provider can be told of a block that it does not know."""
    match block.kind():
        case "search_result":
            content = block.raw.get("content")
            said = [one.text("text") for one in readers(content, block.path("content"))]
            lines = [block.text("title"), block.text("source"), *said]
            return (Text("\n".join(filter(None, lines))),)
        case "container_upload":
            return (_NOT_SHOWN,)
        case "compaction":
            summary = block.raw.get("content")
            return (Text(summary),) if isinstance(summary, str) and summary else ()
        case _:
            return ()


def _call(block: Reader) -> ToolCall:
    id, name = block.need("id", str), block.need("name", str)
    arguments = json_text(block.maybe("input", dict) or {})
    return ToolCall(id, name, arguments, block.kept(PROVIDER))


def _result(block: Reader) -> ToolResult:
    call_id, is_error, cache = block.need("tool_use_id", str), block.maybe("is_error", bool), mark(block)
    content = block.peek("content")
    parts: tuple[_Inner, ...] = ()
    if isinstance(content, str):
        parts = (Text(content),)
    elif content is not None:
        parts = tuple(_inner(one) for one in readers(content, block.path("content")))
    return ToolResult(call_id, parts, "", bool(is_error), cache, block.kept(PROVIDER))


def _image(block: Reader) -> Image:
    source, cache = _source(block), mark(block)
    kept = block.kept(PROVIDER)
    match source.kind():
        case "base64":
            media_type, data = source.text("media_type"), source.need("data", str)
            return Image(media_type, data, cache=cache, opaque=kept)
        case "url":
            return Image(url=source.need("url", str), cache=cache, opaque=kept)
        case "file":
            file_id = source.need("file_id", str)
            return Image(file_id=file_id, file_provider=PROVIDER, cache=cache, opaque=kept)
        case _:
            raise source.wrong("type", "is to be base64, url or file")


def _document(block: Reader) -> File:
    source, cache, title = _source(block), mark(block), block.text("title")
    kept = block.kept(PROVIDER)
    match source.kind():
        case "base64":
            media_type = source.text("media_type") or "application/pdf"
            return File(media_type, title, source.need("data", str), cache=cache, opaque=kept)
        case "text":
            return File("text/plain", title, text=source.need("data", str), cache=cache, opaque=kept)
        case "url":
            url = source.need("url", str)
            return File("application/pdf", title, url=url, cache=cache, opaque=kept)
        case "file":
            file_id = source.need("file_id", str)
            return File("", title, file_id=file_id, file_provider=PROVIDER, cache=cache, opaque=kept)
        case "content":
            whole = Opaque(PROVIDER, REST, json_text({**block.rest, "source": source.raw}))
            return File("text/plain", title, text=_flat(source), cache=cache, opaque=(whole,))
        case _:
            raise source.wrong("type", "is to be base64, text, content, url or file")


def _source(block: Reader) -> Reader:
    block.skip("type")
    return Reader(block.need("source", dict), block.path("source"))


def _flat(source: Reader) -> str:
    """The words of a document that is given in blocks of its own."""
    content = source.peek("content")
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (one.text("text") for one in readers(content, source.path("content")))))


def _citation(cited: dict[str, Any]) -> Citation:
    def word(*fields: str) -> str:
        return next((value for field in fields if isinstance(value := cited.get(field), str)), "")

    is_ours = cited.get("type") == FOUND and not cited.get("encrypted_index")
    return Citation(
        text=word("cited_text"),
        title=word("title", "document_title"),
        url=word("url", "source"),
        opaque=None if is_ours else Opaque(PROVIDER, "citation", json_text(cited)),
    )
