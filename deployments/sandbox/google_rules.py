"""What Gemini's generateContent accepts, and what of it an answer depends on.

Rules as of November 2026, from the google-genai 3.4 SDK's types and captured request bodies, which mix
camelCase with snake_case: both are read, as the API does.
"""

import re
from typing import Any

import orjson

from deployments.sandbox import tokens
from deployments.sandbox.exchange import Json, Prompt, Rejected, Tool
from deployments.sandbox.fields import GENERATE_CONFIG_FIELDS, GENERATE_FIELDS, GENERATE_SCHEMA_FIELDS
from deployments.sandbox.google_turns import NAME, Turns

KNOWN = re.compile(r"^(gemini|gemma|learnlm|text-embedding)")
STOP_MAX = 5

_CLIENT_DATA = frozenset(
    {
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
    }
)
"""Fields whose inside is the client's own and keeps its names."""


def read_generate(given: Json, model: str) -> Prompt:
    body = camel(given)
    check_model(model)
    _check_fields(body, GENERATE_FIELDS, "")
    config = body.get("generationConfig") or {}
    _check_config(config)
    turns = Turns(model)
    turns.read(body.get("contents"))
    system = _system(body)
    tools = _tools(body)
    must_call, may_call = _choice(body, tools)
    thinking = config.get("thinkingConfig") or {}
    _check_fields(
        thinking, {"includeThoughts", "thinkingBudget", "thinkingLevel"}, "generation_config.thinking_config"
    )
    texts = [*system, *turns.texts, *(orjson.dumps(tool).decode() for tool in body.get("tools") or [])]
    return Prompt(
        model=model,
        input_tokens=tokens.count_input(texts, media=turns.media),
        user_text=turns.user_text,
        results=turns.results,
        tools=tools,
        must_call=must_call,
        may_call=may_call,
        schema=_schema(config),
        max_tokens=config.get("maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
        thinking=thinking.get("thinkingBudget", 1 if thinking else 0) != 0,
        show_thinking=thinking.get("includeThoughts") is True,
    )


def camel(node: Any) -> Any:
    """snake_case names to camelCase, except inside of what is the client's own data."""
    if isinstance(node, list):
        return [camel(each) for each in node]
    if not isinstance(node, dict):
        return node
    named = {_camel_name(key): value for key, value in node.items()}
    return {key: value if key in _CLIENT_DATA else camel(value) for key, value in named.items()}


def _camel_name(name: str) -> str:
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def check_model(model: str) -> None:
    if not KNOWN.match(model):
        message = f"models/{model} is not found for API version v1, or is not supported for this method."
        raise Rejected(message, status=404)


def _check_fields(node: Json, known: frozenset[str] | set[str], at: str) -> None:
    if unknown := node.keys() - known:
        where = f" at '{at}'" if at else ""
        raise Rejected(
            f'Invalid JSON payload received. Unknown name "{min(unknown)}"{where}: Cannot find field.'
        )


def _check_config(config: Json) -> None:
    _check_fields(config, GENERATE_CONFIG_FIELDS, "generation_config")
    if len(config.get("stopSequences") or ()) > STOP_MAX:
        raise Rejected("Only up to 5 stop sequences are supported.")
    temperature = config.get("temperature")
    if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 2):
        raise Rejected("generation_config.temperature must be in the range [0.0, 2.0].")
    limit = config.get("maxOutputTokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise Rejected("generation_config.max_output_tokens must be a positive integer.")
    if config.get("candidateCount") not in (None, 1):
        raise Rejected("Only one candidate can be specified")


def _system(body: Json) -> list[str]:
    system = body.get("systemInstruction")
    if system is None:
        return []
    parts = system.get("parts") if isinstance(system, dict) else None
    if not parts or any(not isinstance(part.get("text"), str) or not part["text"] for part in parts):
        raise Rejected("system_instruction.parts must be text.")
    return [part["text"] for part in parts]


def _tools(body: Json) -> list[Tool]:
    tools = []
    for i, tool in enumerate(body.get("tools") or []):
        for j, declared in enumerate(tool.get("functionDeclarations") or []):
            at = f"tools[{i}].function_declarations[{j}]"
            if not NAME.match(str(declared.get("name") or "")):
                raise Rejected(f"Invalid function name at {at}: must start with a letter or an underscore.")
            if "parameters" in declared and "parametersJsonSchema" in declared:
                raise Rejected(f"{at}: only one of parameters and parameters_json_schema may be set.")
            if "parameters" in declared:
                _check_schema(declared["parameters"], f"{at}.parameters")
            tools.append(
                Tool(
                    declared["name"], declared.get("parametersJsonSchema") or declared.get("parameters") or {}
                )
            )
    return tools


def _check_schema(schema: Any, at: str) -> None:
    """`parameters` and `responseSchema` are OpenAPI's subset: no `$ref`, `const`, `oneOf`."""
    if not isinstance(schema, dict):
        return
    _check_fields({_camel_name(key): None for key in schema}, GENERATE_SCHEMA_FIELDS, at)
    if isinstance(schema.get("type"), list):
        raise Rejected(f"Invalid value at '{at}.type': Proto field is not repeating, cannot start list.")
    for name, each in (schema.get("properties") or {}).items():
        _check_schema(each, f"{at}.properties[{name}]")
    for each in [schema.get("items"), *(schema.get("anyOf") or schema.get("any_of") or ())]:
        _check_schema(each, f"{at}.items")


def _choice(body: Json, tools: list[Tool]) -> tuple[tuple[str, ...] | None, bool]:
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = str(config.get("mode") or "AUTO").upper()
    allowed = tuple(config.get("allowedFunctionNames") or ())
    names = tuple(tool.name for tool in tools)
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Rejected(
            "allowed_function_names should only be set when the function calling mode is ANY or VALIDATED."
        )
    if unknown := [name for name in allowed if name not in names]:
        raise Rejected(f"allowed_function_names contains a function that is not declared: {unknown[0]}")
    if mode == "ANY":
        if not names:
            raise Rejected("Function calling config is set without function_declarations.")
        return allowed or names, True
    if mode not in ("AUTO", "NONE", "VALIDATED"):
        raise Rejected(f"Invalid value at 'tool_config.function_calling_config.mode': \"{mode}\"")
    return None, mode != "NONE"


def _schema(config: Json) -> Json | None:
    given = config.get("responseSchema"), config.get("responseJsonSchema")
    if given[0] is not None:
        _check_schema(given[0], "generation_config.response_schema")
    as_json = config.get("responseMimeType") == "application/json"
    if any(schema is not None for schema in given):
        if all(schema is not None for schema in given):
            raise Rejected("Only one of response_schema and response_json_schema may be set.")
        if not as_json:
            raise Rejected("Function response schema requires response_mime_type: application/json.")
        return given[0] if given[0] is not None else given[1]
    return {"type": "object", "properties": {"simulated": {"type": "string"}}} if as_json else None
