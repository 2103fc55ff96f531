"""What OpenAI refuses in a chat completions request; a good one has no problems."""

import json
from collections.abc import Iterator
from typing import Any

from tests.translation.facts import OPENAI, OpenAI
from tests.translation.rules import openai

Json = dict[str, Any]

_TOP = {
    "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "reasoning_effort", "verbosity", "max_tokens", "max_completion_tokens", "stop", "temperature",
    "top_p", "presence_penalty", "frequency_penalty", "seed", "n", "user", "stream", "stream_options",
    "service_tier", "logit_bias", "logprobs", "top_logprobs", "metadata", "store", "prediction",
    "prompt_cache_key", "safety_identifier", "modalities", "audio",
}  # fmt: skip
_MESSAGE = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "tool_calls", "audio"},
    "tool": {"role", "content", "tool_call_id"},
}
_PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}


def problems(body: Json, model: str) -> Iterator[str]:
    facts = OPENAI[model]
    yield from (f"unknown field {name}" for name in body.keys() - _TOP)
    if body["model"] != model:
        yield "another model"
    yield from openai.sampling(body, facts)
    yield from openai.effort(body.get("reasoning_effort"), facts)
    yield from _settings(body, facts)
    yield from _messages(body["messages"], facts)
    yield from _tools(body)


def _settings(body: Json, facts: OpenAI) -> Iterator[str]:
    if "max_tokens" in body and facts.reasons:
        yield "max_tokens"
    if min(body.get("max_tokens", 1), body.get("max_completion_tokens", 1)) < 1:
        yield "a limit below one"
    stop = body.get("stop", [])
    if stop and (facts.reasons or (isinstance(stop, list) and len(stop) > 4)):
        yield f"stop {stop}"
    if "stream_options" in body and body.get("stream") is not True:
        yield "stream_options"
    if "verbosity" in body and not facts.verbosity:
        yield "verbosity"
    if body.get("n", 1) != 1:
        yield "n"
    form = body.get("response_format", {"type": "text"})
    if form["type"] == "json_schema":
        wanted = form["json_schema"]
        if not openai.NAME.fullmatch(wanted["name"]) or not isinstance(wanted["schema"], dict):
            yield f"response_format {wanted}"
        if wanted.get("strict"):
            yield from openai.strict(wanted["schema"])
    elif form["type"] == "json_object":
        if not openai.speaks_of_json(body["messages"]):
            yield "nobody speaks of JSON"
    elif form["type"] != "text":
        yield f"response_format {form}"


def _messages(messages: list[Json], facts: OpenAI) -> Iterator[str]:
    if not messages:
        yield "no messages"
    open_calls: list[str] = []
    ids: list[str] = []
    parts: list[Json] = []
    for at, message in enumerate(messages):
        role, content = message["role"], message.get("content")
        if role not in _MESSAGE:
            yield f"{at}: role {role}"
            continue
        if message.keys() - _MESSAGE[role]:
            yield f"{at}: fields {message.keys() - _MESSAGE[role]}"
        if role == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"{at}: a result without its call"
            else:
                open_calls.remove(message["tool_call_id"])
        elif open_calls:
            yield f"{at}: calls without results {open_calls}"
        yield from (f"{at}: {said}" for said in _content(message, role, content))
        parts += content if isinstance(content, list) else []
        for call in message.get("tool_calls", ()):
            yield from (f"{at}: {said}" for said in _call(call))
        if role != "tool":
            open_calls = [call["id"] for call in message.get("tool_calls", ())]
            ids += open_calls
    if open_calls:
        yield "the last calls have no results"
    if len(ids) != len(set(ids)) or not all(map(openai.CALL_ID.fullmatch, ids)):
        yield f"ids {ids}"
    yield from openai.breakpoints(parts, facts)


def _content(message: Json, role: str, content: object) -> Iterator[str]:
    if "name" in message and not openai.NAME.fullmatch(message["name"]):
        yield f"name {message['name']!r}"
    if content is None:
        if role != "assistant" or not message.keys() & {"tool_calls", "refusal", "audio"}:
            yield f"{role} says nothing"
        return
    if not isinstance(content, list):
        if not isinstance(content, str) or (role != "tool" and not content.strip()):
            yield f"content {content!r}"
        return
    if not content:
        yield "no parts"
    for part in content:
        kind = part["type"]
        if kind not in _PARTS[role] or part.keys() - {"type", kind, "prompt_cache_breakpoint"}:
            yield f"{part.keys()} of {kind} in {role}"
        yield from _part(part, kind)


def _part(part: Json, kind: str) -> Iterator[str]:
    value: Any = part.get(kind)
    match kind:
        case "text" | "refusal":
            if not isinstance(value, str) or not value.strip():
                yield f"{kind} {value!r}"
        case "image_url":
            if not openai.IMAGE_URL.match(value["url"]) or value.keys() - {"url", "detail"}:
                yield f"image {value['url'][:40]}"
        case "input_audio":
            if value.keys() != {"data", "format"} or value["format"] not in ("wav", "mp3"):
                yield f"audio {value.keys()}"
        case "file":
            if (
                value.keys() - {"file_id", "file_data", "filename"}
                or len(value.keys() & {"file_id", "file_data"}) != 1
            ):
                yield f"file {value.keys()}"
            if not value.get("file_data", "data:application/pdf;base64,x").startswith(
                "data:application/pdf;"
            ):
                yield "a file that is no PDF"


def _call(call: Json) -> Iterator[str]:
    if call["type"] == "custom":
        called, written = call["custom"], call["custom"]["input"]
    else:
        called, written = call["function"], call["function"]["arguments"]
        try:
            if not isinstance(json.loads(written), dict):
                yield f"arguments {written}"
        except ValueError:
            yield f"arguments {written}"
    if not isinstance(written, str) or not openai.NAME.fullmatch(called["name"]):
        yield f"call of {called['name']!r}"


def _tools(body: Json) -> Iterator[str]:
    tools = body.get("tools")
    if tools is None:
        if body.keys() & {"tool_choice", "parallel_tool_calls"}:
            yield "tool_choice without tools"
        return
    described: list[Json] = [tool[tool["type"]] for tool in tools]
    names = [one["name"] for one in described]
    if not names or len(names) != len(set(names)) or not all(map(openai.NAME.fullmatch, names)):
        yield f"tool names {names}"
    for tool in tools:
        if tool["type"] == "function":
            yield from openai.schema(tool["function"].get("parameters", {"type": "object"}))
            if tool["function"].get("strict"):
                yield from openai.strict(tool["function"]["parameters"])
    match body.get("tool_choice", "auto"):
        case "auto" | "none" | "required":
            pass
        case {"type": "function", "function": {"name": name}} | {"type": "custom", "custom": {"name": name}}:
            if name not in names:
                yield f"choice of {name}"
        case {"type": "allowed_tools", "allowed_tools": {"tools": allowed}}:
            if {one[one["type"]]["name"] for one in allowed} - set(names):
                yield f"allowed {allowed}"
        case other:
            yield f"tool_choice {other}"
