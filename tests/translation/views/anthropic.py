"""What a messages request says, and the one form of those that say the same."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.translation.views.said import Call, Event, Result, Said, Shown

Json = dict[str, Any]


def events(body: Json) -> Iterator[Event]:
    for block in _blocks(body.get("system", [])):
        yield Said("system", block["text"])
    for message in body["messages"]:
        for block in _blocks(message["content"]):
            yield from _event(block, message["role"])


def _event(block: Json, role: str) -> Iterator[Event]:
    match block["type"]:
        case "tool_use":
            yield Call(block["id"], block["name"], block["input"])
        case "tool_result":
            inner = [one for part in _blocks(block.get("content", [])) for one in _inner(part, role)]
            yield Result(block["tool_use_id"], tuple(inner), block.get("is_error", False))
        case _:
            yield from _inner(block, role)


def _inner(block: Json, role: str) -> Iterator[Said | Shown]:
    source = block.get("source", {})
    match block["type"]:
        case "text":
            yield Said(role, block["text"])
        case "search_result":
            yield Said(role, "\n".join([block["title"], source, *(b["text"] for b in block["content"])]))
        case "image" | "document":
            match source["type"]:
                case "base64":
                    yield Shown(role, source["media_type"], source["data"])
                case "url":
                    yield Shown(role, "", source["url"])
                case "text":
                    yield Said(role, source["data"])
                case "content":
                    yield Said(role, "\n".join(part["text"] for part in _blocks(source["content"])))


def _blocks(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def normal(given: Json) -> Json:
    body: Json = _plain(deepcopy(given))
    if "system" in body:
        body["system"] = _blocks(body["system"])
    messages: list[Json] = []
    for message in body["messages"]:
        blocks = _blocks(message["content"])
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += blocks
        else:
            messages.append(message | {"content": blocks})
    for before, message in zip([None, *messages], messages, strict=False):
        asked = [b["id"] for b in before["content"] if b["type"] == "tool_use"] if before else []
        message["content"].sort(key=lambda b, asked=asked: _place(b, asked))
        for block in message["content"]:
            if block["type"] == "tool_result":
                block["content"] = _blocks(block.get("content", []))
    body["messages"] = messages
    return body


def _place(block: Json, asked: list[str]) -> int:
    return asked.index(block["tool_use_id"]) if block["type"] == "tool_result" else len(asked)


def _plain(node: Any) -> Any:
    """Without what is the default."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items() if value is not None}
    if plain.get("is_error") is False:
        del plain["is_error"]
    if plain.get("type") == "ephemeral" and plain.get("ttl") == "5m":
        del plain["ttl"]
    return plain
