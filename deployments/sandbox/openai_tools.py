"""OpenAI's rules for tools, call ids and answer formats, the same in both of its APIs."""

import re
from collections.abc import Callable
from typing import Any

from deployments.sandbox.exchange import Json, Rejected, Tool

NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
CALL_ID_MAX = 40
"""Some models accept 64; the shorter limit is the one that is safe everywhere."""


def check_call_id(identifier: Any, param: str) -> None:
    if not isinstance(identifier, str) or not identifier:
        raise Rejected(
            f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
        )
    if len(identifier) > CALL_ID_MAX:
        message = f"Invalid '{param}': string too long. Expected a string with maximum length {CALL_ID_MAX}."
        raise Rejected(message, code="string_above_max_length", param=param)


def check_name(name: Any, param: str) -> None:
    if not isinstance(name, str) or not NAME.match(name):
        message = f"Invalid '{param}': string does not match pattern. Expected '^[a-zA-Z0-9_-]{{1,64}}$'."
        raise Rejected(message, code="invalid_value", param=param)


def read_tools(functions: list[Json]) -> list[Tool]:
    tools = []
    for i, function in enumerate(functions):
        check_name(function.get("name"), f"tools[{i}].function.name")
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        if schema.get("type") != "object":
            message = f"Invalid schema for function '{function['name']}': schema must be of type \"object\"."
            raise Rejected(
                message, code="invalid_function_parameters", param=f"tools[{i}].function.parameters"
            )
        if function.get("strict"):
            check_strict(schema, f"function '{function['name']}'", "invalid_function_parameters")
        tools.append(Tool(function["name"], schema))
    return tools


def check_strict(schema: Json, what: str, code: str | None = None) -> None:
    """Strict mode: every object closed, every property required."""
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            message = f"Invalid schema for {what}: 'additionalProperties' is required to be false."
            raise Rejected(message, code=code)
        if set(schema.get("properties") or {}) - set(schema.get("required") or ()):
            raise Rejected(
                f"Invalid schema for {what}: 'required' must include every key in properties.", code=code
            )
    nested = [
        *(schema.get("properties") or {}).values(),
        *(schema.get("$defs") or {}).values(),
        schema.get("items"),
    ]
    for each in nested + list(schema.get("anyOf") or ()):
        if isinstance(each, dict):
            check_strict(each, what, code)


def read_choice(
    choice: Any, tools: list[Tool], *, named: Callable[[Json], str]
) -> tuple[tuple[str, ...] | None, bool]:
    """(tools of which one must be called, whether any may be)."""
    names = tuple(tool.name for tool in tools)
    if choice is None or choice == "auto" or choice == "none":
        return None, choice != "none"
    if choice == "required":
        return names, True
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function" and named(choice) in names:
        return (named(choice),), True
    if kind == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        listed = tuple(name for each in allowed.get("tools") or () if (name := named(each)) in names)
        if listed:
            return (listed, True) if allowed.get("mode") == "required" else (None, True)
    raise Rejected(
        "Invalid value: 'tool_choice' names no tool of 'tools'.", code="invalid_value", param="tool_choice"
    )


def read_format(form: Json, texts: list[str], param: str) -> Json | None:
    """The schema that `{"type": ..., "name": ..., "schema": ..., "strict": ...}` asks for."""
    kind = form.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        if not any("json" in text.lower() for text in texts):
            raise Rejected(
                f"'messages' must contain the word 'json' in some form, to use '{param}' of this type."
            )
        return {"type": "object", "properties": {"simulated": {"type": "string"}}}
    if kind != "json_schema":
        raise Rejected(f"Invalid value: '{kind}'.", code="invalid_value", param=f"{param}.type")
    check_name(form.get("name"), f"{param}.name")
    schema: Json = form.get("schema") or {"type": "object"}
    if form.get("strict"):
        check_strict(schema, f"response_format '{form['name']}'")
    return schema
