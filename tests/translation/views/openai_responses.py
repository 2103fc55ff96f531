"""What a Responses request says, and the one form of those that say the same."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.translation.views.said import Call, Event, Result, Said, Shown, arguments, data_url

Json = dict[str, Any]


def events(body: Json) -> Iterator[Event]:
    if "instructions" in body:
        yield Said("system", body["instructions"])
    for item in _items(body["input"]):
        yield from _event(item)


def _event(item: Json) -> Iterator[Event]:
    match item.get("type", "message"):
        case "message":
            role = "system" if item["role"] == "developer" else item["role"]
            for part in _parts(item["content"]):
                yield from _shown(part, role)
        case "function_call":
            yield Call(item["call_id"], item["name"], arguments(item["arguments"]))
        case "custom_tool_call":
            yield Call(item["call_id"], item["name"], {"input": item["input"]})
        case "function_call_output" | "custom_tool_call_output":
            inner = [one for part in _parts(item["output"]) for one in _shown(part, "user")]
            yield Result(item["call_id"], tuple(inner), False)
        case "image_generation_call":
            yield Shown("assistant", "image/png", item["result"])


def _shown(part: Json, role: str) -> Iterator[Said | Shown]:
    match part:
        case {"text": text} | {"refusal": text}:
            yield Said(role, text)
        case {"image_url": url} | {"file_data": url}:
            yield data_url(url, role)
        case {"file_url": url}:
            yield Shown(role, "", url)


def _items(given: str | list[Json]) -> list[Json]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _parts(content: str | list[Json]) -> list[Json]:
    if not isinstance(content, str):
        return content
    return [{"type": "input_text", "text": content}] if content else []


def normal(given: Json) -> Json:
    body = deepcopy(given)
    items = _items(body["input"])
    for item in items:
        if item.get("type", "message") == "message":
            item.setdefault("type", "message")
            item["content"] = _parts(item["content"])
            for part in item["content"]:
                if item["role"] == "assistant" and part["type"] == "input_text":
                    part["type"] = "output_text"
                if part["type"] == "output_text":
                    part.setdefault("annotations", [])
        elif isinstance(item.get("output"), str | list):
            item["output"] = _parts(item["output"])
    places = [
        item["call_id"] for item in items if str(item.get("type")).endswith("_call") and "call_id" in item
    ]
    out: list[Json] = []
    run: list[Json] = []
    for item in items:
        if str(item["type"]).endswith("_call_output"):
            run.append(item)
            continue
        out += sorted(run, key=lambda result: places.index(result["call_id"]))
        run = []
        out.append(item)
    body["input"] = out + sorted(run, key=lambda result: places.index(result["call_id"]))
    for tool in body.get("tools", ()):
        if tool.get("strict") is None:
            tool.pop("strict", None)
    return body
