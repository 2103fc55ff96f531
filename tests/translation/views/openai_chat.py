"""What a chat completions request says, and the one form of those that say the same."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.translation.views.said import Call, Event, Result, Said, Shown, arguments, data_url

Json = dict[str, Any]
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def events(body: Json) -> Iterator[Event]:
    for message in body["messages"]:
        role = "system" if message["role"] == "developer" else message["role"]
        parts = _parts(message.get("content"))
        if role == "tool":
            yield Result(message["tool_call_id"], tuple(_shown(part, "user") for part in parts), False)
            continue
        for part in parts:
            if "file_id" not in part.get("file", {}):
                yield _shown(part, role)
        if message.get("refusal"):
            yield Said(role, message["refusal"])
        for call in message.get("tool_calls") or ():
            if call["type"] == "custom":
                yield Call(call["id"], call["custom"]["name"], {"input": call["custom"]["input"]})
            else:
                function = call["function"]
                yield Call(call["id"], function["name"], arguments(function["arguments"]))


def _shown(part: Json, role: str) -> Said | Shown:
    match part:
        case {"text": text} | {"refusal": text}:
            return Said(role, text)
        case {"image_url": {"url": url}}:
            return data_url(url, role)
        case {"input_audio": {"format": format, "data": data}}:
            return Shown(role, _AUDIO[format], data)
        case {"file": {"file_data": url}}:
            return data_url(url, role)
        case _:
            raise AssertionError(f"a part of {part.keys()}")


def _parts(content: str | list[Json] | None) -> list[Json]:
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def normal(given: Json) -> Json:
    body = deepcopy(given)
    body.pop("stream_options", None)
    messages: list[Json] = []
    run: list[Json] = []
    for message in body["messages"]:
        parts = [part for part in _parts(message.get("content")) if part.get("text") != ""]
        refused = [part["refusal"] for part in parts if part["type"] == "refusal"]
        message["content"] = [part for part in parts if part["type"] != "refusal"]
        if refused:
            message["refusal"] = "\n".join(refused)
        if message["role"] == "tool":
            run.append(message)
            continue
        messages += run
        run = []
        messages.append(message)
    body["messages"] = _ordered(messages + run)
    for tool in body.get("tools", ()):
        if tool["type"] == "function":
            tool["function"].setdefault("parameters", {"type": "object", "properties": {}})
    return body


def _ordered(messages: list[Json]) -> list[Json]:
    """Results in their calls' order."""
    places = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    out: list[Json] = []
    run: list[Json] = []
    for message in [*messages, {"role": "end"}]:
        if message["role"] == "tool":
            run.append(message)
            continue
        out += sorted(run, key=lambda result: places.index(result["tool_call_id"]))
        run = []
        out.append(message)
    return out[:-1]
