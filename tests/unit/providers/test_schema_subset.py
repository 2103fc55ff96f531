from typing import Any

import pytest

from models.providers.schema_subset import closed, is_strict, object_root, openapi

SUBSET: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("nullable type", {"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    ("two types", {"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ("constant", {"const": "a"}, {"enum": ["a"], "type": "string"}),
    ("numbers as enum", {"type": "integer", "enum": [1, 2]}, {"type": "string", "enum": ["1", "2"]}),
    ("exclusive limit", {"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
    ("optional", {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
    (
        "oneOf",
        {"oneOf": [{"type": "string"}, {"type": "number"}]},
        {"anyOf": [{"type": "string"}, {"type": "number"}]},
    ),
    ("unknown key", {"type": "object", "additionalProperties": False, "$comment": "x"}, {"type": "object"}),
    ("unknown format", {"type": "string", "format": "uri"}, {"type": "string"}),
    (
        "reference",
        {"properties": {"at": {"$ref": "#/$defs/at"}}, "$defs": {"at": {"type": "string"}}},
        {"type": "object", "properties": {"at": {"type": "string"}}},
    ),
    (
        "recursion",
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
        {"type": "object", "properties": {"n": {"type": "object"}}},
    ),
    (
        "allOf",
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "object"}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    ),
    ("required without its property", {"type": "object", "required": ["gone"]}, {"type": "object"}),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [case[1:] for case in SUBSET], ids=[case[0] for case in SUBSET]
)
def test_openapi_subset(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert openapi(schema) == expected


def test_references_that_multiply_are_cut_short() -> None:
    levels = {
        f"l{n}": {"properties": {side: {"$ref": f"#/$defs/l{n + 1}"} for side in "abcd"}} for n in range(30)
    }
    assert str(openapi({"$ref": "#/$defs/l0", "$defs": levels})).count("properties") <= 5_000


def test_closed_objects() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}
    assert closed(schema) == {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "object", "additionalProperties": False}}},
        "additionalProperties": False,
    }
    assert "additionalProperties" not in schema


A, B = {"a": {"type": "string"}}, {"b": {"type": "integer"}}
ROOTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("an object", {"type": "object", "properties": A}, {"type": "object", "properties": A}),
    ("nothing said", {}, {"type": "object"}),
    (
        "a choice",
        {"anyOf": [{"properties": A, "required": ["a"]}, {"properties": A | B, "required": ["a", "b"]}]},
        {"type": "object", "properties": A | B, "required": ["a"]},
    ),
    (
        "all of several",
        {"allOf": [{"properties": A, "required": ["a"]}, {"properties": B}]},
        {"type": "object", "properties": A | B, "required": ["a"]},
    ),
    (
        "a reference",
        {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": A}}},
        {"type": "object", "properties": A, "$defs": {"x": {"type": "object", "properties": A}}},
    ),
]


@pytest.mark.parametrize(
    ("schema", "expected"), [case[1:] for case in ROOTS], ids=[case[0] for case in ROOTS]
)
def test_arguments_are_an_object(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert object_root(schema) == expected


CLOSED = {"type": "object", "properties": A, "required": ["a"], "additionalProperties": False}
STRICT: list[tuple[dict[str, Any], bool]] = [
    (CLOSED, True),
    (CLOSED | {"required": []}, False),
    ({"type": "object", "properties": A, "required": ["a"]}, False),
    ({"type": "array", "items": CLOSED}, True),
    ({"type": "array", "items": {"type": "object"}}, False),
    ({"anyOf": [CLOSED, {"type": "null"}]}, True),
    ({"oneOf": [CLOSED]}, False),
    (CLOSED | {"$defs": {"x": {"type": "object"}}}, False),
]


@pytest.mark.parametrize(("schema", "strict"), STRICT)
def test_what_a_model_can_be_held_to(schema: dict[str, Any], strict: bool) -> None:
    assert is_strict(schema) is strict
