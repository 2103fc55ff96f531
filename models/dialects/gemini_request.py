"""Gemini's generateContent request, read to the canonical one.

Source: google-genai 3.4, types.py. Names may be written in camelCase or in snake_case, as the API takes both.
"""

from collections.abc import Iterator
from typing import Any, Literal

from models.chat import (
    ChatRequest,
    Effort,
    Message,
    Opaque,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
)
from models.dialects.gemini_parts import PROVIDER, messages
from models.dialects.gemini_schema import json_schema
from models.dialects.reading import Reader
from models.parts import json_text

_CLIENTS_OWN = frozenset(
    (
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
        "partMetadata",
    )
)
"""Fields whose inside is the caller's and keeps its names."""
_MODES: dict[str, Literal["auto", "none", "required"]] = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
_PLAIN_DECLARATION = {"name", "description", "parametersJsonSchema"}


def decode(body: dict[str, Any]) -> ChatRequest:
    """The model is named in the URL, and whether to stream too. Raises InvalidRequest naming the field."""
    asked = Reader(_camel(body))
    config, options = asked.inner("generationConfig") or Reader({}), dict[str, Any]()
    form, thinking = _format(config), _thinking(config)
    choice = _tool_choice(asked.inner("toolConfig"), options)
    top_k = config.number("topK")
    return ChatRequest(
        model=asked.text("model"),
        messages=(*_system(asked), *_contents(asked)),
        tools=tuple(tool for one in asked.each("tools") for tool in _tools(one)),
        tool_choice=choice,
        response_format=form,
        reasoning=thinking,
        max_tokens=config.maybe("maxOutputTokens", int),
        stop=config.strings("stopSequences"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=None if top_k is None else int(top_k),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        seed=config.maybe("seed", int),
        service_tier=asked.maybe("serviceTier", str),
        provider_options=_options(asked, config, options),
    )


def _camel(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            (name := _name(key)): value if name in _CLIENTS_OWN else _camel(value)
            for key, value in node.items()
        }
    return [_camel(one) for one in node] if isinstance(node, list) else node


def _name(key: str) -> str:
    if "_" not in key:
        return key
    first, *rest = key.split("_")
    return "".join([first, *(word[:1].upper() + word[1:] for word in rest)]) if first and rest else key


def _options(asked: Reader, config: Reader, options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    private = asked.rest | options | ({"generationConfig": config.rest} if config.rest else {})
    return {PROVIDER: private} if private else {}


def _system(asked: Reader) -> tuple[Message, ...]:
    given = asked.peek("systemInstruction")
    if given is None:
        return ()
    if isinstance(given, str):
        return (Message("system", (Text(given),)),)
    parts = Reader(given, "systemInstruction").each("parts")
    return (Message("system", tuple(Text(part.need("text", str)) for part in parts)),)


def _contents(asked: Reader) -> Iterator[Message]:
    if isinstance(given := asked.peek("contents"), str):
        yield Message("user", (Text(given),))
        return
    for content in asked.each("contents"):
        yield from messages(content)


def _tools(tool: Reader) -> Iterator[Tool]:
    for declared in tool.each("functionDeclarations"):
        yield _function(declared)
    for name, value in tool.rest.items():
        yield Tool(name, opaque=(Opaque(PROVIDER, "tool", json_text({name: value})),))


def _function(declared: Reader) -> Tool:
    name, openapi = declared.need("name", str), declared.maybe("parameters", dict)
    schema = declared.maybe("parametersJsonSchema", dict)
    is_plain = declared.raw.keys() == _PLAIN_DECLARATION and schema and schema.get("properties")
    as_given = () if is_plain else (Opaque(PROVIDER, "declaration", json_text(declared.raw)),)
    parameters = json_schema(openapi) if openapi else schema
    return Tool(name, declared.text("description"), parameters, opaque=as_given)


def _tool_choice(config: Reader | None, options: dict[str, Any]) -> ToolChoice | None:
    calling = config.inner("functionCallingConfig") if config else None
    if config and config.rest:
        options["toolConfig"] = config.rest
    if calling is None:
        return None
    mode = (calling.text("mode") or "AUTO").upper()
    names = calling.strings("allowedFunctionNames")
    if mode not in _MODES:
        options.setdefault("toolConfig", {})["functionCallingConfig"] = calling.raw
        return None
    if calling.rest:
        options.setdefault("toolConfig", {})["functionCallingConfig"] = calling.rest
    return ToolChoice(_MODES[mode], names)


def _format(config: Reader) -> ResponseFormat | None:
    if config.raw.get("responseMimeType") != "application/json":
        return None
    config.skip("responseMimeType")
    if openapi := config.maybe("responseSchema", dict):
        own = (Opaque(PROVIDER, "response_schema", json_text(openapi)),)
        return ResponseFormat("json_schema", schema=json_schema(openapi), opaque=own)
    schema = config.maybe("responseJsonSchema", dict)
    return ResponseFormat("json_schema", schema=schema) if schema else ResponseFormat("json_object")


def _thinking(config: Reader) -> Reasoning | None:
    thinking = config.inner("thinkingConfig")
    if thinking is None:
        return None
    level = thinking.text("thinkingLevel").lower()
    effort: Effort | None = None
    match level:
        case "minimal" | "low" | "medium" | "high":
            effort = level
        case "" | "thinking_level_unspecified":
            pass
        case _:
            raise thinking.wrong("thinkingLevel", "is to be minimal, low, medium or high")
    budget = thinking.maybe("thinkingBudget", int)
    return Reasoning(effort, budget, thinking.maybe("includeThoughts", bool) or False)
