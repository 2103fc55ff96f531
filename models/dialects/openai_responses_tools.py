"""Tools that OpenAI's responses alone have, as functions: those of namespaces, those that take a text.

Source: openai 3.54, types/responses/namespace_tool_param.py and custom_tool_param.py. To whoever answers, all
are functions; in the answer they have their own names and forms again.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from models.chat import ChatRequest, Message, Tool, ToolCall
from models.dialects.ask import opened
from models.dialects.openai_responses_items import PROVIDER

_BETWEEN = "__"
_CALLS = ("function_call", "custom_tool_call")


class Offered(Struct, frozen=True):
    """What an answer has to know of its request's tools."""

    freeform: frozenset[str] = frozenset()
    """Names of those that take a text."""
    namespaces: Mapping[str, tuple[str, str]] = {}
    """By the name that they are called by: namespace, and name in it."""

    def named(self, call: ToolCall) -> dict[str, Any]:
        """The fields of a call's item that say which tool it is of."""
        if call.name not in self.namespaces:
            return {"call_id": call.id, "name": call.name}
        namespace, name = self.namespaces[call.name]
        return {"call_id": call.id, "name": name, "namespace": namespace}


def flattened(asked: dict[str, Any]) -> Mapping[str, tuple[str, str]]:
    """Puts the tools of namespaces, and calls of them, beside the others, under names of both."""
    named: dict[str, tuple[str, str]] = {}
    if isinstance(tools := asked.get("tools"), list):
        asked["tools"] = [one for tool in tools for one in _flat(tool, named)]
    if isinstance(items := asked.get("input"), list):
        asked["input"] = [_joined(item) for item in items]
    return named


def as_functions(request: ChatRequest) -> ChatRequest:
    """With every tool that takes a text as a function of one field, in the history too."""
    tools = tuple(_function(tool) if tool.freeform else tool for tool in request.tools)
    return replace(request, tools=tools, messages=tuple(map(_with_plain_calls, request.messages)))


def _flat(tool: Any, named: dict[str, tuple[str, str]]) -> Iterator[Any]:
    match tool:
        case {"type": "namespace", "name": str(namespace), "tools": list(inner)}:
            for one in inner:
                if isinstance(one, dict) and isinstance(name := one.get("name"), str):
                    named[namespace + _BETWEEN + name] = (namespace, name)
                    one = {**one, "name": namespace + _BETWEEN + name}
                yield one
        case _:
            yield tool


def _joined(item: Any) -> Any:
    match item:
        case {"type": str(kind), "namespace": str(namespace), "name": str(name)} if kind in _CALLS:
            rest = {key: value for key, value in item.items() if key != "namespace"}
            return {**rest, "name": namespace + _BETWEEN + name}
        case _:
            return item


def _function(tool: Tool) -> Tool:
    """What its text has to look like is said in words."""
    form = next((opened(o.value).get("format") for o in tool.opaque if o.provider == PROVIDER), None)
    words = tool.description
    if isinstance(form, dict) and isinstance(grammar := form.get("definition"), str):
        words += f"\n\n`input` has to match this {form.get('syntax', '')} grammar:\n{grammar}"
    return replace(tool, description=words.strip(), freeform=False, opaque=())


def _with_plain_calls(message: Message) -> Message:
    if not any(isinstance(part, ToolCall) and part.freeform for part in message.parts):
        return message
    parts = (replace(p, freeform=False) if isinstance(p, ToolCall) else p for p in message.parts)
    return replace(message, parts=tuple(parts))
