"""A request's wishes, cut down to what a model's profile accepts."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from models.chat import ChatRequest, Effort, Reasoning, ResponseFormat, ToolChoice
from models.parts import json_text
from models.providers.profiles import Profile

_EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS: dict[Effort, int] = {
    "none": 0,
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
"""Our own scale between providers that count effort in words and those that count tokens."""


def sampling(request: ChatRequest, profile: Profile) -> dict[str, float | int]:
    """The accepted sampling fields that the request sets, by their canonical names."""
    wished: dict[str, Any] = {field: getattr(request, field) for field in sorted(profile.sampling)}
    kept = {field: value for field, value in wished.items() if value is not None}
    if "temperature" in kept:
        kept["temperature"] = min(max(kept["temperature"], 0.0), profile.temperature_max)
        if profile.one_of_temperature_top_p:
            kept.pop("top_p", None)
    return kept


def stops(request: ChatRequest, profile: Profile) -> list[str]:
    return list(dict.fromkeys(filter(None, request.stop)))[: profile.stops_max]


def output_ceiling(request: ChatRequest, max_output_tokens: int | None) -> int | None:
    """The lower of what the caller wants and what the model can."""
    return min((n for n in (request.max_tokens, max_output_tokens) if n is not None), default=None)


def choice(request: ChatRequest) -> ToolChoice | None:
    """The wish for a tool, of those that are on offer: a name that none has is no wish."""
    wish = request.tool_choice
    if wish is None or not wish.names:
        return wish
    offered = {tool.name for tool in request.tools}
    return replace(wish, names=tuple(name for name in dict.fromkeys(wish.names) if name in offered))


def effort(reasoning: Reasoning, accepted: tuple[Effort, ...]) -> Effort | None:
    """The accepted effort nearest to the one asked for, the weaker of two; None where none was asked."""
    asked = reasoning.effort or _effort_of(reasoning.budget_tokens)
    if asked is None or not accepted:
        return None
    rank = _EFFORTS.index(asked)
    # However little was asked for is more than nothing.
    some = accepted if asked == "none" else tuple(one for one in accepted if one != "none")
    return min(some or accepted, key=lambda one: (abs(_EFFORTS.index(one) - rank), _EFFORTS.index(one)))


def budget(reasoning: Reasoning) -> int | None:
    """Reasoning tokens asked for, 0 for none of it; None where nothing was asked."""
    if reasoning.budget_tokens is not None and reasoning.budget_tokens >= 0:
        return reasoning.budget_tokens
    return None if reasoning.effort is None else _BUDGETS[reasoning.effort]


def is_off(reasoning: Reasoning) -> bool:
    return budget(reasoning) == 0


def arguments(text: str) -> dict[str, Any]:
    """A call's arguments as the object that a provider wants, nothing lost where they are none."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {"invalid_json": text}
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"input": value}


def freeform(text: str) -> str:
    """The one text that a freeform tool was called with."""
    said = arguments(text).get("input")
    return said if isinstance(said, str) else text


def arguments_text(text: str) -> str:
    """The same as valid JSON text: the model's own characters where they are an object."""
    value = arguments(text)
    written = text.lstrip().startswith("{") and "invalid_json" not in value
    return text if written else json_text(value)


def schema_in_words(form: ResponseFormat) -> str:
    """For models that cannot be held to a schema."""
    if form.schema is None:
        return "Answer with one JSON object and nothing else."
    schema = msgspec.json.encode(form.schema).decode()
    return f"Answer with one JSON value that is valid against this JSON Schema, and nothing else:\n{schema}"


def overlaid(
    body: Mapping[str, Any], options: Mapping[str, Any], *, reserved: Collection[str], prefix: str = ""
) -> dict[str, Any]:
    """`body` with a caller's provider options merged in; what the request holds is not touched.

    None leaves a field out. `reserved` fields (dotted paths) decide what is run, paid for and read back: no
    option replaces them.
    """
    out = dict(body)
    for key, value in options.items():
        path = f"{prefix}{key}"
        if path in reserved:
            continue
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            inner = out[key] if isinstance(out.get(key), dict) else {}
            out[key] = overlaid(inner, value, reserved=reserved, prefix=f"{path}.")
        else:
            out[key] = value
    return out


def _effort_of(budget_tokens: int | None) -> Effort | None:
    if budget_tokens is None or budget_tokens < 0:
        return None
    if budget_tokens == 0:
        return "none"
    given = [effort for effort in _EFFORTS[1:] if _BUDGETS[effort] <= budget_tokens]
    return given[-1] if given else "minimal"
