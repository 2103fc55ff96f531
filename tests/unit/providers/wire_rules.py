"""What each provider refuses in a request's body, as a checker: `problems(body)` is empty for a good one."""

import json
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_ANTHROPIC_BLOCKS = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
    "system": {"text"},
}
_GOOGLE_DATA = {"text", "inlineData", "fileData", "functionCall", "functionResponse"}
_OPENAI_PARTS = {
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text"},
    "system": {"text"},
    "developer": {"text"},
}


def openai_problems(body: Json) -> Iterator[str]:
    messages = body["messages"]
    if not messages:
        yield "no messages"
    open_calls: list[str] = []
    ids: list[str] = []
    for at, message in enumerate(messages):
        content = message["content"]
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"{at}: a result without its call"
            else:
                open_calls.remove(message["tool_call_id"])
            if not isinstance(content, str) and {part["type"] for part in content} != {"text"}:
                yield f"{at}: a result that is not text"
            continue
        if open_calls:
            yield f"{at}: calls without results"
        open_calls = [call["id"] for call in message.get("tool_calls", ())]
        ids += open_calls
        if not content and not message.get("tool_calls") and not message.get("refusal"):
            yield f"{at}: says nothing"
        kinds = {part["type"] for part in content} if isinstance(content, list) else set()
        if kinds - _OPENAI_PARTS[message["role"]]:
            yield f"{at}: {kinds} in {message['role']}"
        for call in message.get("tool_calls", ()):
            yield from _name_problems(call["function"]["name"], "[A-Za-z0-9_-]{1,64}")
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                yield f"{at}: arguments that are no object"
    if open_calls:
        yield "the last calls have no results"
    yield from _id_problems(ids, most=40)
    if sum("prompt_cache_breakpoint" in part for part in _walk(messages)) > 4:
        yield "too many cache marks"


def anthropic_problems(body: Json, *, prefill: bool, mid_system: bool) -> Iterator[str]:
    messages = body["messages"]
    if body["max_tokens"] < 0:
        yield "max_tokens"
    if not messages or messages[0]["role"] != "user":
        yield "the first turn is not a user's"
    ids: list[str] = []
    for at, message in enumerate(messages):
        role, blocks = message["role"], message["content"]
        before: Json = messages[at - 1] if at else {"role": "", "content": []}
        following = messages[at + 1]["role"] if at + 1 < len(messages) else ""
        if role == before["role"]:
            yield f"{at}: two {role} turns in a row"
        if role == "system" and (
            not mid_system or before["role"] != "user" or following not in ("assistant", "")
        ):
            yield f"{at}: a system turn out of place"
        if not blocks or {block["type"] for block in blocks} - _ANTHROPIC_BLOCKS[role]:
            yield f"{at}: blocks {[block['type'] for block in blocks]} in {role}"
        calls = [block["id"] for block in before["content"] if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if calls != results or any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            yield f"{at}: calls {calls}, results {results}"
        for block in blocks:
            yield from _block_problems(block)
            if block["type"] == "tool_use":
                ids.append(block["id"])
    last = messages[-1]
    if any(block["type"] == "tool_use" for block in last["content"]):
        yield "the last calls have no results"
    if last["role"] == "assistant" and (not prefill or last["content"][-1].get("text", "x")[-1:].isspace()):
        yield "a prefill"
    yield from _id_problems(ids, most=64)
    if sum("cache_control" in block for block in _walk(body)) > 4:
        yield "too many cache marks"


def google_problems(body: Json, *, signed_calls: bool, call_ids: bool) -> Iterator[str]:
    contents = body["contents"]
    if not contents or contents[0]["role"] != "user" or contents[-1]["role"] != "user":
        yield "the first and last turns are not a user's"
    before: Json = {"role": "", "parts": []}
    ids: list[str] = []
    for at, content in enumerate(contents):
        parts = content["parts"]
        if not parts or content["role"] == before["role"]:
            yield f"{at}: empty, or two {content['role']} turns in a row"
        for part in parts:
            if len(_GOOGLE_DATA & part.keys()) != 1:
                yield f"{at}: a part with {part.keys()}"
            if part.get("text") == "" and "thoughtSignature" not in part:
                yield f"{at}: an empty text"
        asked = [part["functionCall"] for part in before["parts"] if "functionCall" in part]
        given = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if [_identity(call) for call in asked] != [_identity(response) for response in given]:
            yield f"{at}: calls {asked}, responses {given}"
        calls = [part for part in parts if "functionCall" in part]
        ids += [part["functionCall"]["id"] for part in calls if call_ids]
        if calls and content["role"] != "model":
            yield f"{at}: a call by the user"
        if calls and signed_calls and not calls[0].get("thoughtSignature"):
            yield f"{at}: the first call is not signed"
        for call in calls:
            yield from _name_problems(call["functionCall"]["name"], "[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
        before = content
    yield from _id_problems(ids, most=64)


def _identity(call: Json) -> tuple[str, str | None]:
    return call["name"], call.get("id")


def _block_problems(block: Json) -> Iterator[str]:
    match block["type"]:
        case "text" if not block["text"].strip():
            yield "an empty text"
        case "thinking" if not block["signature"]:
            yield "unsigned thinking"
        case "tool_use":
            yield from _name_problems(block["name"], "[A-Za-z0-9_-]{1,128}")
            if not isinstance(block["input"], dict):
                yield "input that is no object"


def _name_problems(name: str, pattern: str) -> Iterator[str]:
    if not re.fullmatch(pattern, name):
        yield f"the name {name!r}"


def _id_problems(ids: list[str], *, most: int) -> Iterator[str]:
    if len(ids) != len(set(ids)):
        yield f"one id twice: {ids}"
    if any(not re.fullmatch(f"[A-Za-z0-9_-]{{1,{most}}}", one) for one in ids):
        yield f"an illegal id: {ids}"


def _walk(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _walk(inner)
