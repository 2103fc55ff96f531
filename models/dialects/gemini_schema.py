"""Gemini's OpenAPI schemas as JSON Schema, which every other provider takes.

Source: google-genai 3.4, types.Schema.
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_RENAMED = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
    "example": "examples",
}
_DROPPED = ("nullable", "propertyOrdering", "property_ordering")
_FORMATS_OF_ENUMS = ("enum",)
_NUMBERS = (
    "maxItems",
    "minItems",
    "maxLength",
    "minLength",
    "maxProperties",
    "minProperties",
)


def json_schema(schema: Mapping[str, Any]) -> Json:
    out: Json = {}
    for name, value in schema.items():
        key = _RENAMED.get(name, name)
        if key not in _DROPPED and not (key == "format" and value in _FORMATS_OF_ENUMS):
            out[key] = _converted(key, value)
    return _nullable(out) if schema.get("nullable") else out


def _converted(key: str, value: Any) -> Any:
    match key, value:
        case "type", str():
            return value.lower()
        case (("properties" | "$defs"), Mapping()):
            return {
                name: json_schema(one) if isinstance(one, Mapping) else one for name, one in value.items()
            }
        case (("items" | "additionalProperties"), Mapping()):
            return json_schema(value)
        case "anyOf", list():
            return [json_schema(one) if isinstance(one, Mapping) else one for one in value]
        case "examples", _:
            return [value]
        case _, str() if key in _NUMBERS and value.isdecimal():
            return int(value)  # 64-bit integers are strings in the REST API
        case _:
            return value


def _nullable(schema: Json) -> Json:
    if isinstance(kind := schema.get("type"), str):
        nullable = {**schema, "type": [kind, "null"]}
        if isinstance(values := nullable.get("enum"), list):
            nullable["enum"] = [*values, None]
        return nullable
    if isinstance(choices := schema.get("anyOf"), list):
        return {**schema, "anyOf": [*choices, {"type": "null"}]}
    return schema
