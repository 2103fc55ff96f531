"""What OpenAI refuses in a Responses request; a good one has no problems."""

import json
from collections.abc import Iterator
from typing import Any

from tests.translation.facts import OPENAI
from tests.translation.rules import openai

Json = dict[str, Any]

_TOP = {
    "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text",
    "reasoning", "max_output_tokens", "temperature", "top_p", "user", "stream", "service_tier",
    "metadata", "store", "include", "truncation", "previous_response_id", "prompt_cache_key",
    "safety_identifier", "max_tool_calls", "top_logprobs",
}  # fmt: skip
_PARTS = {
    "user": {"input_text", "input_image", "input_file"},
    "system": {"input_text"},
    "developer": {"input_text"},
    "assistant": {"output_text", "refusal"},
}
_PART_FIELDS = {
    "input_text": {"type", "text", "prompt_cache_breakpoint"},
    "input_image": {"type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"},
    "input_file": {"type", "file_data", "file_id", "file_url", "filename", "prompt_cache_breakpoint"},
    "output_text": {"type", "text", "annotations", "logprobs"},
    "refusal": {"type", "refusal"},
}
_ITEM_FIELDS = {
    "message": {"type", "role", "content", "id", "status", "phase"},
    "function_call": {"type", "call_id", "name", "arguments", "id", "status"},
    "custom_tool_call": {"type", "call_id", "name", "input", "id"},
    "function_call_output": {"type", "call_id", "output", "id", "status"},
    "custom_tool_call_output": {"type", "call_id", "output", "id"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
    "web_search_call": {"type", "id", "status", "action"},
    "image_generation_call": {"type", "id", "status", "result"},
    "compaction": {"type", "id", "encrypted_content"},
    "computer_call": {"type", "id", "call_id", "action", "status", "pending_safety_checks"},
    "computer_call_output": {"type", "id", "call_id", "output", "status"},
}
_AFTER_REASONING = {
    "function_call",
    "custom_tool_call",
    "reasoning",
    "web_search_call",
    "image_generation_call",
    "computer_call",
}


def problems(body: Json, model: str) -> Iterator[str]:
    facts = OPENAI[model]
    yield from (f"unknown field {name}" for name in body.keys() - _TOP)
    if body["model"] != model:
        yield "another model"
    yield from openai.sampling(body, facts)
    yield from openai.effort(body.get("reasoning", {}).get("effort"), facts)
    if body.get("max_output_tokens", 16) < 16:
        yield "max_output_tokens"
    if body.get("instructions", "x").strip() == "":
        yield "blank instructions"
    items = body["input"]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if not items:
        yield "no input"
    yield from _items(items)
    parts = [
        part
        for item in items
        for held in (item.get("content"), item.get("output"))
        if isinstance(held, list)
        for part in held
    ]
    yield from openai.breakpoints(parts, facts)
    yield from _settings(body, facts.verbosity)


def _items(items: list[Json]) -> Iterator[str]:
    calls: dict[str, str] = {}
    answered: set[str] = set()
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        following = items[at + 1] if at + 1 < len(items) else {}
        if kind not in _ITEM_FIELDS or item.keys() - _ITEM_FIELDS[kind]:
            yield f"{at}: {kind} with {item.keys()}"
            continue
        match kind:
            case "message":
                yield from (f"{at}: {said}" for said in _message(item))
            case "reasoning":
                is_answer = following.get("role") == "assistant" and following.get("type") in (
                    None,
                    "message",
                )
                if not is_answer and following.get("type") not in _AFTER_REASONING:
                    yield f"{at}: reasoning without its item"
            case "function_call" | "custom_tool_call" | "computer_call":
                if item["call_id"] in calls or not openai.CALL_ID.fullmatch(item["call_id"]):
                    yield f"{at}: id {item['call_id']}"
                calls[item["call_id"]] = kind
                yield from (f"{at}: {said}" for said in _call(item, kind))
            case "function_call_output" | "custom_tool_call_output" | "computer_call_output":
                if f"{calls.get(item['call_id'])}_output" != kind or item["call_id"] in answered:
                    yield f"{at}: {kind} without its call"
                answered.add(item["call_id"])
                if kind != "computer_call_output":
                    yield from (
                        f"{at}: {said}" for said in _content(item["output"], "user", may_be_empty=True)
                    )
    if calls.keys() != answered:
        yield f"calls without outputs {calls.keys() - answered}"


def _message(item: Json) -> Iterator[str]:
    if item["role"] not in _PARTS:
        return (yield f"role {item['role']}")
    yield from _content(item["content"], item["role"], may_be_empty=False)
    if "phase" in item and item["role"] != "assistant":
        yield "phase"


def _content(content: object, role: str, *, may_be_empty: bool) -> Iterator[str]:
    if isinstance(content, str):
        if not content.strip() and not may_be_empty:
            yield "a blank message"
        return
    if not isinstance(content, list) or not content:
        return (yield f"content {content}")
    for part in content:
        kind = part["type"]
        if kind not in _PARTS[role] or part.keys() - _PART_FIELDS[kind]:
            yield f"{kind} with {part.keys()} in {role}"
            continue
        if kind in ("input_text", "output_text", "refusal"):
            said = part["refusal" if kind == "refusal" else "text"]
            if not isinstance(said, str) or not said.strip():
                yield f"{kind} {said!r}"
        elif len(part.keys() & {"image_url", "file_id", "file_data", "file_url"}) != 1:
            yield f"{kind} with {part.keys()}"
        elif "image_url" in part and not openai.IMAGE_URL.match(part["image_url"]):
            yield f"image {part['image_url'][:40]}"
        elif "file_data" in part and not part["file_data"].startswith("data:application/pdf;base64,"):
            yield "a file that is no PDF"


def _call(item: Json, kind: str) -> Iterator[str]:
    if kind == "computer_call":
        return
    if not openai.NAME.fullmatch(item["name"]):
        yield f"name {item['name']!r}"
    if kind == "custom_tool_call":
        if not isinstance(item["input"], str):
            yield "input"
        return
    try:
        if not isinstance(json.loads(item["arguments"]), dict):
            yield f"arguments {item['arguments']}"
    except ValueError:
        yield f"arguments {item['arguments']}"


def _settings(body: Json, verbosity: bool) -> Iterator[str]:
    text = body.get("text", {})
    if text.keys() - {"format", "verbosity"} or ("verbosity" in text and not verbosity):
        yield f"text {text.keys()}"
    form = text.get("format", {"type": "text"})
    if form["type"] == "json_schema":
        if not openai.NAME.fullmatch(form["name"]) or not isinstance(form["schema"], dict):
            yield f"format {form}"
        if form.get("strict"):
            yield from openai.strict(form["schema"])
    elif form["type"] == "json_object":
        if not isinstance(body["input"], str) and not openai.speaks_of_json(body["input"]):
            yield "nobody speaks of JSON"
    elif form["type"] != "text":
        yield f"format {form}"
    tools = body.get("tools")
    if tools is None:
        if body.keys() & {"tool_choice", "parallel_tool_calls"}:
            yield "tool_choice without tools"
        return
    functions = [tool for tool in tools if tool["type"] in ("function", "custom")]
    names = [tool["name"] for tool in functions]
    if not tools or len(names) != len(set(names)) or not all(map(openai.NAME.fullmatch, names)):
        yield f"tool names {names}"
    for tool in functions:
        if tool["type"] == "function":
            yield from openai.schema(tool["parameters"])
            if tool.get("strict"):
                yield from openai.strict(tool["parameters"])
    match body.get("tool_choice", "auto"):
        case "auto" | "none" | "required":
            pass
        case {"type": "function" | "custom", "name": name}:
            if name not in names:
                yield f"choice of {name}"
        case {"type": "allowed_tools", "tools": allowed}:
            if {one["name"] for one in allowed} - set(names):
                yield f"allowed {allowed}"
        case {"type": hosted}:
            if hosted not in {tool["type"] for tool in tools}:
                yield f"choice of {hosted}"
