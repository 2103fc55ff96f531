"""JSON Schemas cut to what a provider takes: Gemini's OpenAPI subset, and Claude's closed objects.

Sources: google-genai 3.4 `types.Schema`; Anthropic structured outputs guide (every object closed).
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_KEPT = frozenset(
    (
        "title",
        "description",
        "format",
        "enum",
        "maxItems",
        "minItems",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "default",
        "minimum",
        "maximum",
    )
)
_FORMATS = frozenset(("float", "double", "int32", "int64", "enum", "date-time"))
_MAX_DEPTH = 32
_MAX_NODES = 5_000
_LEVEL = "/"
_LIMITS = (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1))
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NEVER_STRICT = frozenset(
    (
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
    )
)
_ROOT_FORMS = frozenset(("$ref", "anyOf", "oneOf", "allOf", "enum", "const", "not"))
"""What providers refuse at the top of a tool's schema."""
_MAPS = ("properties", "$defs", "definitions", "patternProperties")


def openapi(schema: Mapping[str, Any]) -> Json:
    """The nearest schema in Gemini's subset; references inlined, a recursive one opened to any object."""
    return _Inliner(schema).converted(schema, ())


def closed(schema: Mapping[str, Any]) -> Json:
    """The same schema with `additionalProperties: false` on every object that does not speak of it."""
    return _closed(schema, 0)


def object_root(schema: Mapping[str, Any]) -> Json:
    """The same schema as an object's: the arguments of a call are one, and so no choice at the top."""
    if not _ROOT_FORMS & schema.keys():
        return {**schema, "type": "object"}
    root = dict(_united({**_resolved(schema, schema.get("$ref")), **schema}))
    choices = [_united(_mapping(one)) for form in ("anyOf", "oneOf") for one in _list(root.get(form))]
    properties: Json = {}
    for one in (*choices, root):
        properties |= _mapping(one.get("properties"))
    shared = set.intersection(*map(_named, choices)) if choices else set()
    needed = [*_list(root.get("required")), *sorted(shared)]
    kept: Json = {key: value for key, value in root.items() if key not in _ROOT_FORMS}
    kept |= {"type": "object", "properties": properties}
    return kept | ({"required": needed} if needed else {})


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI can hold a model to it: every object closed, and all of its fields required.

    Source: OpenAI structured outputs guide, supported schemas.
    """
    return _is_strict(schema, 0)


def strict_form(schema: Mapping[str, Any]) -> Json | None:
    """The same schema as one that OpenAI can hold a model to, None where there is none: objects are closed
    that have fields and say nothing of others, while fields that may be left out have to stay so."""
    return closed(schema) if _is_strict(schema, 0, closing=True) else None


class _Inliner:
    """Counts what it writes: a few nested references can otherwise unfold without end."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MAX_NODES

    def converted(self, schema: Any, seen: tuple[str, ...]) -> Json:
        """`seen` holds the way down: the references followed, and a step for each level."""
        self._left -= 1
        if not isinstance(schema, Mapping) or len(seen) > _MAX_DEPTH or self._left < 0:
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            if reference in seen:
                return {"type": "object"}
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self.converted({**_resolved(self._root, reference), **rest}, (*seen, reference))
        schema = _united(schema)
        out = {key: value for key, value in schema.items() if key in _KEPT}
        if not isinstance(kind := out.get("format"), str) or kind not in _FORMATS:
            out.pop("format", None)
        _add_type(out, schema)
        _add_values(out, schema)
        self._add_inner(out, schema, (*seen, _LEVEL))
        return out

    def _add_inner(self, out: Json, schema: Mapping[str, Any], seen: tuple[str, ...]) -> None:
        fields = _mapping(schema.get("properties"))
        if fields:
            out["properties"] = {name: self.converted(field, seen) for name, field in fields.items()}
        named = _list(out.pop("required", None))
        required = [name for name in named if isinstance(name, str) and name in fields]
        if required:
            out["required"] = required
        if isinstance(schema.get("items"), Mapping):
            out["items"] = self.converted(schema["items"], seen)
        choices = [_mapping(one) for one in _list(schema.get("anyOf")) or _list(schema.get("oneOf"))]
        real = [self.converted(one, seen) for one in choices if one.get("type") != "null"]
        if len(real) != len(choices):
            out["nullable"] = True
        if len(real) == 1:
            out.update({**real[0], **out})
        elif real:
            out["anyOf"] = real


def _resolved(root: Mapping[str, Any], reference: object) -> Mapping[str, Any]:
    """What a reference within the schema points at; nothing where it points nowhere."""
    if not isinstance(reference, str):
        return {}
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = _mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
    return _mapping(found)


def _add_type(out: Json, schema: Mapping[str, Any]) -> None:
    kinds = schema.get("type")
    if isinstance(kinds, str):
        out["type"] = kinds
    elif isinstance(kinds, list):
        concrete = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
        if len(concrete) != len(kinds):
            out["nullable"] = True
        if len(concrete) == 1:
            out["type"] = concrete[0]
        elif concrete:
            out["anyOf"] = [{"type": kind} for kind in concrete]
    elif "properties" in schema:
        out["type"] = "object"


def _add_values(out: Json, schema: Mapping[str, Any]) -> None:
    if "const" in schema:
        out["enum"] = [schema["const"]]
    if isinstance(values := out.get("enum"), list):
        # The subset has enums of strings alone.
        out["enum"] = [str(value) for value in values if value is not None]
        out["type"] = "string"
    for exclusive, inclusive, step in _LIMITS:
        limit = schema.get(exclusive)
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            out[inclusive] = limit + step if out.get("type") == "integer" else limit


def _united(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """`allOf` folded into its schema."""
    united: Json = {key: value for key, value in schema.items() if key != "allOf"}
    for one in map(_mapping, _list(schema.get("allOf"))):
        properties = {**_mapping(united.get("properties")), **_mapping(one.get("properties"))}
        required = [*_list(united.get("required")), *_list(one.get("required"))]
        united = {**one, **united}
        united |= {"properties": properties} if properties else {}
        united |= {"required": required} if required else {}
    return united


def _named(schema: Mapping[str, Any]) -> set[str]:
    """The required fields."""
    return {name for name in _list(schema.get("required")) if isinstance(name, str)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_strict(schema: Mapping[str, Any], depth: int, *, closing: bool = False) -> bool:
    if depth > _MAX_DEPTH or _NEVER_STRICT & schema.keys():
        return False
    if schema.get("type") == "object" or "properties" in schema:
        fields = _mapping(schema.get("properties"))
        is_closed = schema.get("additionalProperties", not (closing and fields)) is False
        if not is_closed or _named(schema) != fields.keys():
            return False
    inner = [one for key in _MAPS for one in _mapping(schema.get(key)).values()]
    inner += [one for key in _LISTS for one in _list(schema.get(key))] + [schema.get("items")]
    return all(_is_strict(one, depth + 1, closing=closing) for one in inner if isinstance(one, Mapping))


def _closed(schema: Mapping[str, Any], depth: int) -> Json:
    out: Json = dict(schema)
    if depth > _MAX_DEPTH:
        return out
    if out.get("type") == "object" or "properties" in out:
        out.setdefault("additionalProperties", False)
    for key in _MAPS:
        if isinstance(fields := out.get(key), Mapping):
            out[key] = {n: _closed(f, depth + 1) if isinstance(f, Mapping) else f for n, f in fields.items()}
    for key in _LISTS:
        if isinstance(choices := out.get(key), list):
            out[key] = [_closed(c, depth + 1) if isinstance(c, Mapping) else c for c in choices]
    if isinstance(out.get("items"), Mapping):
        out["items"] = _closed(out["items"], depth + 1)
    return out
