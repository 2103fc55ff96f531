"""What Gemini refuses in a generateContent request; a good one has no problems."""

import re
from collections.abc import Iterator
from typing import Any

from tests.translation.facts import GEMINI, Gemini

Json = dict[str, Any]

_TOP = {
    "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings",
    "cachedContent", "serviceTier", "labels",
}  # fmt: skip
_CONFIG = {
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences",
    "responseMimeType", "responseSchema", "responseJsonSchema", "presencePenalty", "frequencyPenalty",
    "seed", "thinkingConfig", "mediaResolution", "speechConfig", "responseModalities",
}  # fmt: skip
_DATA = {
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
    "codeExecutionResult",
}  # fmt: skip
_BESIDE = {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"}
_ROLES = {
    "user": _DATA - {"functionCall", "executableCode", "codeExecutionResult"},
    "model": _DATA - {"functionResponse"},
}
_SCHEMA = {
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties",
    "required", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example",
    "anyOf", "propertyOrdering", "default", "items", "minimum", "maximum",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_FORMATS = {"float", "double", "int32", "int64", "enum", "date-time"}


def problems(body: Json, model: str) -> Iterator[str]:
    facts = GEMINI[model]
    yield from (f"unknown field {name}" for name in body.keys() - _TOP)
    yield from _turns(body.get("contents", []), facts)
    yield from _system(body)
    yield from _tools(body, facts)
    yield from _config(body, facts)


def _turns(contents: list[Json], facts: Gemini) -> Iterator[str]:
    if not contents or contents[0]["role"] != "user" or contents[-1]["role"] != "user":
        yield "the first or last turn is no user's"
    asked: list[Json] = []
    ids: list[str] = []
    before = ""
    for at, content in enumerate(contents):
        role, parts = content["role"], content["parts"]
        if content.keys() != {"role", "parts"} or role not in _ROLES or role == before or not parts:
            yield f"{at}: {role} after {before}, {len(parts)} parts"
        for part in parts:
            yield from (f"{at}: {said}" for said in _part(part, role, facts))
        given = [part["functionResponse"] for part in parts if "functionResponse" in part]
        yield from (f"{at}: {said}" for said in _pairs(asked, given, facts))
        if any("functionResponse" not in part for part in parts[: len(given)]):
            yield f"{at}: responses that are not first"
        asked = [part["functionCall"] for part in parts if "functionCall" in part]
        ids += [call["id"] for call in asked if "id" in call]
        first = next((part for part in parts if "functionCall" in part), None)
        if first and facts.signed and not first.get("thoughtSignature"):
            yield f"{at}: the first call is not signed"
        before = role
    if asked:
        yield "the last calls have no responses"
    if len(ids) != len(set(ids)):
        yield f"ids {ids}"


def _pairs(asked: list[Json], given: list[Json], facts: Gemini) -> Iterator[str]:
    if [call["name"] for call in asked] != [response["name"] for response in given]:
        yield f"calls {[c['name'] for c in asked]}, responses {[r['name'] for r in given]}"
    if [call.get("id") for call in asked] != [response.get("id") for response in given]:
        yield "ids of calls and responses"
    if not facts.ids and any("id" in call for call in asked):
        yield "ids at a model without them"


def _part(part: Json, role: str, facts: Gemini) -> Iterator[str]:
    data = part.keys() & _DATA
    if len(data) != 1 or part.keys() - data - _BESIDE:
        return (yield f"a part with {part.keys()}")
    [kind] = data
    value = part[kind]
    if kind not in _ROLES[role]:
        yield f"{kind} by {role}"
    match kind:
        case "text" if not value.strip() and not part.get("thoughtSignature"):
            yield "a blank text"
        case "inlineData" if not value.get("mimeType") or not value.get("data"):
            yield f"inlineData {value.keys()}"
        case "fileData" if not value.get("fileUri"):
            yield "fileData without address"
        case "functionCall":
            if value.keys() - {"id", "name", "args", "willContinue"} or not isinstance(value["args"], dict):
                yield f"functionCall {value.keys()}"
            if not _NAME.fullmatch(value["name"]):
                yield f"name {value['name']!r}"
        case "functionResponse":
            yield from _response(value, facts)
    if role == "user" and part.keys() & {"thought", "thoughtSignature"}:
        yield "a user's thought"


def _response(value: Json, facts: Gemini) -> Iterator[str]:
    if value.keys() - {"id", "name", "response", "parts", "scheduling", "willContinue"}:
        yield f"functionResponse {value.keys()}"
    if not isinstance(value.get("response"), dict) or not value.get("name"):
        yield "functionResponse without name or response"
    for inner in value.get("parts", ()):
        kind = inner.get("inlineData", {}).get("mimeType")
        if inner.keys() != {"inlineData"} or kind not in facts.media_in_results:
            yield f"{kind} in a response"


def _system(body: Json) -> Iterator[str]:
    system = body.get("systemInstruction")
    if system is None:
        return
    if system.keys() - {"parts", "role"} or not system["parts"]:
        yield f"systemInstruction {system.keys()}"
    for part in system["parts"]:
        if part.keys() != {"text"} or not part["text"].strip():
            yield f"systemInstruction part {part}"


def _tools(body: Json, facts: Gemini) -> Iterator[str]:
    declared = [one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    names = [one["name"] for one in declared]
    if len(names) != len(set(names)) or not all(map(_NAME.fullmatch, names)):
        yield f"names {names}"
    if body.get("tools") == []:
        yield "no tools"
    for one in declared:
        if one.keys() - {"name", "description", "parameters", "parametersJsonSchema", "response", "behavior"}:
            yield f"declaration {one.keys()}"
        if {"parameters", "parametersJsonSchema"} <= one.keys():
            yield "two schemas"
        if "parametersJsonSchema" in one and not facts.json_schema:
            yield "JSON Schema at a model without"
        yield from _schema(one.get("parameters", {}), one["name"])
    calling = body.get("toolConfig", {}).get("functionCallingConfig")
    if calling:
        allowed = calling.get("allowedFunctionNames", [])
        if calling["mode"] not in ("AUTO", "ANY", "NONE", "VALIDATED") or not names:
            yield f"mode {calling['mode']}"
        if allowed and (calling["mode"] not in ("ANY", "VALIDATED") or set(allowed) - set(names)):
            yield f"allowed {allowed}"


def _schema(schema: Json, at: str) -> Iterator[str]:
    if schema.keys() - _SCHEMA:
        yield f"{at}: {schema.keys() - _SCHEMA}"
    if not isinstance(schema.get("type", "string"), str):
        yield f"{at}: type {schema['type']}"
    if schema.get("format", "enum") not in _FORMATS:
        yield f"{at}: format {schema['format']}"
    if any(not isinstance(value, str) for value in schema.get("enum", ())):
        yield f"{at}: enum {schema['enum']}"
    if set(schema.get("required", ())) - schema.get("properties", {}).keys():
        yield f"{at}: required"
    for name, inner in schema.get("properties", {}).items():
        yield from _schema(inner, f"{at}.{name}")
    for inner in [*([schema["items"]] if "items" in schema else []), *schema.get("anyOf", ())]:
        yield from _schema(inner, f"{at}[]")


def _config(body: Json, facts: Gemini) -> Iterator[str]:
    config = body.get("generationConfig", {})
    if config.keys() - _CONFIG:
        yield f"config {config.keys() - _CONFIG}"
    sampled = config.keys() & {"temperature", "topP", "topK", "presencePenalty", "frequencyPenalty", "seed"}
    if sampled and not facts.sampling:
        yield f"{sampled} at a model without sampling"
    if not 0 <= config.get("temperature", 0) <= 2 or config.get("maxOutputTokens", 1) < 1:
        yield "temperature or length"
    if len(config.get("stopSequences", ())) > 5:
        yield "stop sequences"
    thinking = config.get("thinkingConfig", {})
    if thinking and facts.thinking == "none":
        yield "thinking at a model without"
    if "thinkingLevel" in thinking and facts.thinking != "level":
        yield "a thinking level"
    if "thinkingBudget" in thinking and facts.thinking != "budget":
        yield "a thinking budget"
    if not -1 <= thinking.get("thinkingBudget", 0) <= 24_576:
        yield f"budget {thinking}"
    schemas = config.keys() & {"responseSchema", "responseJsonSchema"}
    if len(schemas) > 1 or (schemas and config.get("responseMimeType") != "application/json"):
        yield f"{schemas} with {config.get('responseMimeType')}"
    if "responseJsonSchema" in config and not facts.json_schema:
        yield "a JSON Schema of the answer"
    functions = any("functionDeclarations" in tool for tool in body.get("tools", ()))
    if config.get("responseMimeType") and functions and not facts.structured_with_tools:
        yield "JSON with functions"
