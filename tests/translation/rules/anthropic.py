"""What Anthropic refuses in a messages request; a good one has no problems."""

import re
from collections.abc import Iterator
from typing import Any

from tests.translation.facts import ANTHROPIC, Anthropic

Json = dict[str, Any]

_TOP = {
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stop_sequences", "stream",
    "metadata", "thinking", "temperature", "top_p", "top_k", "cache_control", "container",
    "service_tier", "output_config", "mcp_servers", "context_management", "diagnostics",
}  # fmt: skip
_FIELDS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control", "transformations"},
    "document": {"type", "source", "cache_control", "citations", "context", "title"},
    "search_result": {"type", "content", "source", "title", "cache_control", "citations"},
    "container_upload": {"type", "file_id", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
    "server_tool_use": {"type", "id", "name", "input", "cache_control", "caller"},
    "web_search_tool_result": {"type", "tool_use_id", "content", "cache_control", "caller"},
    "code_execution_tool_result": {"type", "tool_use_id", "content", "cache_control", "caller"},
    "from_the_future": {"type", "data"},
}
_OWN = {
    "server_tool_use",
    "web_search_tool_result",
    "code_execution_tool_result",
    "from_the_future",
    "container_upload",
    "search_result",
}
_ALLOWED = {
    "user": {"text", "image", "document", "tool_result", "search_result", "container_upload"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"} | (_OWN - {"search_result"}),
    "system": {"text"},
    "result": {"text", "image", "document", "search_result"},
}
_REQUIRED: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
}
_SOURCES = {
    "image": {
        "base64": {"type", "media_type", "data"},
        "url": {"type", "url"},
        "file": {"type", "file_id"},
    },
    "document": {
        "base64": {"type", "media_type", "data"},
        "text": {"type", "media_type", "data"},
        "content": {"type", "content"},
        "url": {"type", "url"},
        "file": {"type", "file_id"},
    },
}
_TYPES = {
    ("image", "base64"): {"image/jpeg", "image/png", "image/gif", "image/webp"},
    ("document", "base64"): {"application/pdf"},
    ("document", "text"): {"text/plain"},
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")


def problems(body: Json, model: str) -> Iterator[str]:
    facts = ANTHROPIC[model]
    yield from (f"unknown field {name}" for name in body.keys() - _TOP)
    if body["model"] != model:
        yield "another model"
    yield from _settings(body, facts)
    yield from _tools(body, facts)
    yield from _system(body)
    yield from _turns(body, facts)
    yield from _cache(body)


def _settings(body: Json, facts: Anthropic) -> Iterator[str]:
    most = body.get("max_tokens")
    if type(most) is not int or most < 0:
        return (yield "max_tokens")
    sampled = body.keys() & {"temperature", "top_p", "top_k"}
    if sampled and not facts.sampling:
        yield f"{sampled} on a model without sampling"
    if {"temperature", "top_p"} <= sampled and not facts.structured:
        pass  # models before 4.5 take both
    elif {"temperature", "top_p"} <= sampled:
        yield "temperature and top_p"
    if not 0 <= body.get("temperature", 0) <= 1 or not 0 <= body.get("top_p", 0) <= 1:
        yield "sampling out of range"
    if any(not stop.strip() for stop in body.get("stop_sequences", ())):
        yield "a blank stop sequence"
    thinking = body.get("thinking")
    if thinking is not None:
        yield from _thinking(body, thinking, facts, sampled)
    output = body.get("output_config", {})
    if output.keys() - {"effort", "format"} or output.get("effort", "low") not in (
        "low",
        "medium",
        "high",
        "xhigh",
        "max",
    ):
        yield f"output_config {output}"
    if (form := output.get("format")) and (form["type"] != "json_schema" or not facts.structured):
        yield "an output format"
    if body.get("metadata", {}).keys() - {"user_id"} or body.get("service_tier", "auto") not in (
        "auto",
        "standard_only",
    ):
        yield "metadata or service tier"


def _thinking(body: Json, thinking: Json, facts: Anthropic, sampled: set[str]) -> Iterator[str]:
    match thinking:
        case {"type": "enabled", "budget_tokens": int(budget)}:
            if facts.thinking != "budget" or not 1024 <= budget < body["max_tokens"]:
                yield f"thinking budget {budget} of {body['max_tokens']}"
            last = body["messages"][-1]
            if last["role"] == "assistant":
                yield "thinking with a prefill"
            elif _blocks(last)[0]["type"] == "tool_result":
                first = _blocks(body["messages"][-2])[0]["type"]
                if first not in ("thinking", "redacted_thinking"):
                    yield f"thinking in a tool turn that begins with {first}"
        case {"type": "adaptive"}:
            if facts.thinking != "adaptive":
                yield "adaptive thinking"
        case {"type": "disabled"}:
            if facts.always_thinks:
                yield "thinking cannot be off"
            return
        case _:
            yield f"thinking {thinking}"
    if sampled:
        yield "sampling beside thinking"
    if body.get("tool_choice", {}).get("type") in ("any", "tool") and thinking["type"] == "enabled":
        yield "a forced tool beside thinking"


def _tools(body: Json, facts: Anthropic) -> Iterator[str]:
    tools = body.get("tools")
    choice = body.get("tool_choice")
    if tools is None:
        if choice is not None:
            yield "tool_choice without tools"
        if any(b["type"] == "tool_use" for m in body["messages"] for b in _blocks(m)):
            yield "calls without tools"
        return
    names = [tool["name"] for tool in tools]
    if not tools or len(set(names)) != len(names):
        yield f"tools {names}"
    for tool in tools:
        if tool.get("type", "custom") != "custom":
            continue
        if not _NAME.fullmatch(tool["name"]):
            yield f"tool name {tool['name']!r}"
        if (
            tool.keys()
            - {"name", "description", "input_schema", "cache_control", "strict", "type"}
            - {
                "input_examples",
                "defer_loading",
            }
        ):
            yield f"tool fields {tool.keys()}"
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            yield f"schema {schema}"
        elif schema.keys() & {"anyOf", "oneOf", "allOf"}:
            yield "a choice at the top of a schema"
    if choice:
        kind = choice["type"]
        if kind not in ("auto", "any", "tool", "none"):
            yield f"tool_choice {kind}"
        if kind in ("any", "tool") and not facts.forced_tools:
            yield "a forced tool"
        if kind == "tool" and choice.get("name") not in names:
            yield f"choice of {choice.get('name')}"
        if choice.keys() - {"type", "name", "disable_parallel_tool_use"}:
            yield f"tool_choice {choice}"


def _system(body: Json) -> Iterator[str]:
    system = body.get("system")
    if system is None:
        return
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        if block["type"] != "text" or not block["text"].strip():
            yield f"system {block}"
    if system == []:
        yield "an empty system"


def _blocks(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _turns(body: Json, facts: Anthropic) -> Iterator[str]:
    messages = body["messages"]
    if not messages or messages[0]["role"] != "user":
        return (yield "the first turn is no user's")
    ids: list[str] = []
    used: dict[str, str] = {}
    for at, message in enumerate(messages):
        role, blocks = message["role"], _blocks(message)
        following = messages[at + 1] if at + 1 < len(messages) else None
        before = messages[at - 1] if at else None
        if message.keys() != {"role", "content"}:
            yield f"{at}: fields {message.keys()}"
        if not blocks:
            yield f"{at}: empty"
        elif blocks[-1]["type"] in ("thinking", "redacted_thinking"):
            yield f"{at}: ends on thinking"
        if before and before["role"] == role:
            yield f"{at}: two {role} turns"
        if role == "system":
            wrong_before = before is None or before["role"] != "user"
            wrong_after = following is not None and following["role"] != "assistant"
            if not facts.mid_system or wrong_before or wrong_after:
                yield f"{at}: system turn"
        for block in blocks:
            yield from (f"{at}: {said}" for said in _block(block, role))
        ids += [block["id"] for block in blocks if block["type"] == "tool_use"]
        yield from (f"{at}: {said}" for said in _pairs(before, blocks, role))
        for block in blocks:
            if block["type"] == "server_tool_use":
                used[block["id"]] = block["name"]
            elif block["type"].endswith("_tool_result") and used.pop(block["tool_use_id"], None) is None:
                yield f"{at}: {block['type']} without its use"
    if used:
        yield f"server tools without results {used}"
    if len(ids) != len(set(ids)) or not all(map(_ID.fullmatch, ids)):
        yield f"ids {ids}"
    last = messages[-1]
    if any(block["type"] == "tool_use" for block in _blocks(last)):
        yield "the last calls have no results"
    if last["role"] == "assistant":
        end = _blocks(last)[-1].get("text", "x")
        if not facts.prefill or end != end.rstrip():
            yield "a prefill"


def _pairs(before: Json | None, blocks: list[Json], role: str) -> Iterator[str]:
    asked = [b["id"] for b in (_blocks(before) if before else []) if b["type"] == "tool_use"]
    given = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
    if sorted(asked) != sorted(given):
        yield f"calls {asked}, results {given}"
    if any(block["type"] != "tool_result" for block in blocks[: len(given)]):
        yield "results that are not first"
    if asked and role != "user":
        yield "results by an assistant"


def _block(block: Json, where: str) -> Iterator[str]:
    kind = block["type"]
    if kind not in _ALLOWED[where]:
        return (yield f"{kind} in {where}")
    if block.keys() - _FIELDS[kind]:
        yield f"{kind}: fields {block.keys() - _FIELDS[kind]}"
    for name, type_ in _REQUIRED.get(kind, {}).items():
        if not isinstance(block.get(name), type_):
            yield f"{kind}: {name} is {block.get(name)!r}"
    match kind:
        case "text" if not block["text"].strip():
            yield "a blank text"
        case "thinking" if not block["signature"]:
            yield "unsigned thinking"
        case "tool_use" if not _NAME.fullmatch(block["name"]):
            yield f"tool name {block['name']!r}"
        case "image" | "document":
            yield from _source(kind, block["source"])
        case "tool_result" if not isinstance(block.get("content", ""), str):
            if not block["content"]:
                yield "an empty result list"
            for inner in block["content"]:
                yield from _block(inner, "result")
    control = block.get("cache_control", {"type": "ephemeral"})
    if control.keys() - {"type", "ttl"} or control.get("ttl", "5m") not in ("5m", "1h"):
        yield f"cache_control {control}"


def _source(kind: str, source: Json) -> Iterator[str]:
    fields = _SOURCES[kind].get(source["type"])
    if fields != source.keys() or any(not value for value in source.values()):
        yield f"{kind} source {source.keys()}"
    types = _TYPES.get((kind, source["type"]))
    if types and source["media_type"] not in types:
        yield f"{kind} of {source['media_type']}"


def _cache(body: Json) -> Iterator[str]:
    held = [*body.get("tools", ()), *(() if isinstance(s := body.get("system", ()), str) else s)]
    for message in body["messages"]:
        for block in _blocks(message):
            if isinstance(inner := block.get("content"), list):
                held += inner
            held.append(block)
    ttls = [mark.get("ttl", "5m") for block in held if (mark := block.get("cache_control"))]
    if len(ttls) + ("cache_control" in body) > 4:
        yield f"{len(ttls)} cache marks"
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        yield "a long-lived mark after a short-lived one"
