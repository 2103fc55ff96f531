"""What a generateContent request says, and the one form of those that say the same."""

import json
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.translation.views.said import Call, Event, Result, Said, Shown, shown_or_said

Json = dict[str, Any]


def events(body: Json) -> Iterator[Event]:
    for part in body.get("systemInstruction", {}).get("parts", []):
        yield Said("system", part["text"])
    for at, content in enumerate(body["contents"]):
        role = "assistant" if content["role"] == "model" else "user"
        turn = at if role == "assistant" else at - 1
        seen: Counter[str] = Counter()
        for part in content["parts"]:
            yield from _event(part, role, turn, seen)


def _event(part: Json, role: str, turn: int, seen: Counter[str]) -> Iterator[Event]:
    match part:
        case {"functionCall": call}:
            yield Call(_key(call, turn, seen), call["name"], call.get("args", {}))
        case {"functionResponse": response}:
            said, is_error = _outcome(response["response"])
            inner: list[Said | Shown] = [Said(role, said)] if said else []
            inner += [_blob(one["inlineData"], role) for one in response.get("parts", [])]
            yield Result(_key(response, turn, seen), tuple(inner), is_error)
        case {"executableCode": {"code": code}}:
            yield Said(role, code)
        case {"codeExecutionResult": {"output": output}}:
            yield Said(role, output)
        case {"inlineData": blob}:
            yield _blob(blob, role)
        case {"fileData": {"fileUri": uri}}:
            if not uri.startswith("https://generativelanguage"):
                yield Shown(role, "", uri)
        case {"text": text} if not part.get("thought") and text:
            yield Said(role, text)


def _key(call: Json, turn: int, seen: Counter[str]) -> object:
    if "id" in call:
        return call["id"]
    seen[call["name"]] += 1
    return (turn, call["name"], seen[call["name"]])


def _blob(blob: Json, role: str) -> Said | Shown:
    return shown_or_said(blob["mimeType"], blob["data"], role)


def _outcome(response: Json) -> tuple[str, bool]:
    is_error = "error" in response
    if len(response) == 1:
        [(key, value)] = response.items()
        if key in ("output", "result", "error"):
            return (value if isinstance(value, str) else _json(value)), is_error
    return (_json(response) if response else ""), is_error


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def normal(given: Json) -> Json:
    body = deepcopy(given)
    contents: list[Json] = []
    for content in body["contents"]:
        if contents and contents[-1]["role"] == content["role"]:
            contents[-1]["parts"] += content["parts"]
        else:
            contents.append(content)
    body["contents"] = contents
    declared = [one for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]
    own = [{k: v} for tool in body.get("tools", []) for k, v in tool.items() if k != "functionDeclarations"]
    body["tools"] = [declared, own]
    if body.get("toolConfig") == {"functionCallingConfig": {"mode": "AUTO"}}:
        del body["toolConfig"]
    return body
