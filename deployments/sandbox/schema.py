"""An instance of a JSON Schema (or of Gemini's OpenAPI subset), made up but valid for the usual keywords.

`pattern` is met only where the examples below happen to match; everything else that tools and structured
outputs commonly use is honoured.
"""

import math
from typing import Any

from deployments.sandbox.exchange import Json

DEPTH_MAX = 12
"""Below it optional properties and items are left out, so that recursive schemas end."""

SIZE_MAX = 1000
"""Of strings and arrays, whatever a schema demands."""

_FORMATS = {
    "date": "2026-01-15",
    "time": "12:00:00Z",
    "date-time": "2026-01-15T12:00:00Z",
    "duration": "PT1H",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Any) -> Any:
    root = schema if isinstance(schema, dict) else {}
    return _instance(schema, root, "value", 0)


def _instance(schema: Any, root: Json, name: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > 2 * DEPTH_MAX:
        return None
    schema = _resolved(schema, root, name, depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        return _array(schema, root, name, depth)
    if kind == "string":
        return _string(schema, name)
    if kind in ("number", "integer"):
        return _number(schema, whole=kind == "integer")
    return True if kind == "boolean" else None


def _resolved(schema: Json, root: Json, name: str, depth: int) -> Json:
    """The schema with its reference followed, its parts merged and its first alternative chosen."""
    for _ in range(DEPTH_MAX):
        if "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = _merged(_referred(schema["$ref"], root), rest)
        elif schema.get("allOf"):
            parts, schema = schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}
            for part in parts:
                schema = _merged(schema, _resolved(part, root, name, depth + 1))
        elif schema.get("anyOf") or schema.get("oneOf"):
            options = schema.get("anyOf") or schema.get("oneOf") or [{}]
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            # Deep down the last one is taken: recursive types list their end there, as `X | null` does.
            schema = _merged(rest, options[0] if depth < DEPTH_MAX // 2 else options[-1])
        else:
            break
    return schema


def _referred(ref: Any, root: Json) -> Json:
    node: Any = root
    for step in str(ref).removeprefix("#").strip("/").split("/"):
        if step:
            node = node.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, dict) else {}
    return node if isinstance(node, dict) else {}


def _merged(a: Json, b: Json) -> Json:
    merged = {**a, **b}
    if "properties" in a and "properties" in b:
        merged["properties"] = {**a["properties"], **b["properties"]}
    if "required" in a and "required" in b:
        merged["required"] = [*a["required"], *b["required"]]
    return merged


def _kind(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind.lower()
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _object(schema: Json, root: Json, depth: int) -> Json:
    properties = schema.get("properties") or {}
    required = schema.get("required") or []
    names = properties if depth < DEPTH_MAX else [name for name in properties if name in required]
    made = {name: _instance(properties[name], root, name, depth + 1) for name in names}
    return made | {name: "simulated" for name in required if name not in properties}


def _array(schema: Json, root: Json, name: str, depth: int) -> list[Any]:
    first = [_instance(each, root, name, depth + 1) for each in schema.get("prefixItems") or []]
    least = min(int(schema.get("minItems") or 0), SIZE_MAX)
    wanted = max(least, 1 if depth < DEPTH_MAX and schema.get("maxItems") != 0 else 0)
    items = schema.get("items")
    more = max(0, wanted - len(first)) if items is not None else 0
    made = [_instance(items, root, name, depth + 1) for _ in range(more)]
    if schema.get("uniqueItems"):
        made = [f"{each} {i}" if i and isinstance(each, str) else each for i, each in enumerate(made)]
    return first + made


def _string(schema: Json, name: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), f"simulated {name}")
    text = text.ljust(min(int(schema.get("minLength") or 0), SIZE_MAX), "x")
    longest = schema.get("maxLength")
    return text if longest is None else text[: int(longest)]


def _number(schema: Json, *, whole: bool) -> int | float:
    step = schema.get("multipleOf") or (1 if whole else 0.5)
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    value = step
    if low is not None and value < low:
        value = math.ceil(low / step) * step
    if above is not None and not isinstance(above, bool) and value <= above:
        value = (math.floor(above / step) + 1) * step
    if high is not None and value > high:
        value = math.floor(high / step) * step
    if below is not None and not isinstance(below, bool) and value >= below:
        value = (math.ceil(below / step) - 1) * step
    return int(value) if whole else float(value)
