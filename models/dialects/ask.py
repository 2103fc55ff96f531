"""A client's request as every way in reads it: what is asked, in which conversation, and what is refused.

Refused is what would change the answer or its price in a way that Polyvox cannot carry: it is said, before
anything is spent, rather than left out in silence.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from models.chat import ChatRequest, Opaque, Tool
from models.dialects.json_body import read_json
from models.errors import InvalidRequest, UnsupportedParameter
from models.parts import REST, json_text, json_value

MAX_MESSAGES = 100_000
_TOOL = "tool"
"""Kind of a tool's artefact: it is its provider's own."""
_objects = msgspec.json.Decoder(dict[str, Any])


class Ask(Struct, frozen=True, kw_only=True):
    request: ChatRequest
    conversation_id: str = ""
    """The conversation that the body names."""
    tools_of: str = ""
    """Whose models alone know the tools that are offered, if that is so: a protocol of the catalogue."""
    left_out: tuple[str, ...] = ()
    """Tools that are offered to nobody."""
    only_of: Collection[str] = ()
    """Whose models alone can do all that is asked, if that is so: protocols of the catalogue."""


def read_object(body: bytes) -> dict[str, Any]:
    """Raises InvalidRequest."""
    return read_json(body, _objects)


@contextmanager
def depth_checked() -> Iterator[None]:
    """What is nested too deeply to be read is a mistake of the caller's."""
    try:
        yield
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def named_conversation(body: dict[str, Any]) -> str:
    """What `metadata.conversation_id` says. It is taken out: no provider is told of it."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or "conversation_id" not in metadata:
        return ""
    body["metadata"] = {key: value for key, value in metadata.items() if key != "conversation_id"}
    named = metadata["conversation_id"]
    if not isinstance(named, str):
        raise InvalidRequest("a conversation's id is a text", param="metadata.conversation_id")
    return named


def refuse(body: Mapping[str, Any], fields: Collection[str], *, where: str = "") -> None:
    """Raises UnsupportedParameter for the first of these fields that asks for something."""
    for field in fields:
        if body.get(field) not in (None, False, [], {}, ""):
            name = f"{where}{field}"
            raise UnsupportedParameter(f"`{name}` is not supported", param=name)


def without(body: dict[str, Any], fields: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in fields}


def checked(request: ChatRequest, *, messages: str) -> ChatRequest:
    """`messages` is what the dialect calls them. Raises InvalidRequest for what no provider could answer."""
    if not request.messages:
        raise InvalidRequest(f"`{messages}` is empty", param=messages)
    if len(request.messages) > MAX_MESSAGES:
        raise InvalidRequest(f"`{messages}` has more than {MAX_MESSAGES} of them", param=messages)
    if request.max_tokens is not None and request.max_tokens < 0:
        raise InvalidRequest("the most tokens of an answer are not negative", param="max_tokens")
    return request


def held_to_schema(request: ChatRequest) -> ChatRequest:
    """Of a dialect in which an answer's schema is always kept to: elsewhere that has to be asked for."""
    form = request.response_format
    if form is None or form.kind != "json_schema":
        return request
    return replace(request, response_format=replace(form, strict=True))


def is_own(tool: Tool) -> bool:
    """Whether it is a tool of a provider's rather than a function of the caller's."""
    return any(opaque.kind == _TOOL for opaque in tool.opaque)


def without_own_tools(
    request: ChatRequest, *, allowed: Callable[[Tool], bool] = lambda _: False
) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request without tools that a provider would run, and their names: no money is held for those.

    A model may do without one that is offered beside others. Raises UnsupportedParameter where it may not.
    """
    kept = tuple(tool for tool in request.tools if not is_own(tool) or allowed(tool))
    if len(kept) == len(request.tools):
        return request, ()
    left = tuple(tool.name for tool in request.tools if tool not in kept)
    forced = request.tool_choice.names if request.tool_choice is not None else ()
    if not kept or any(name in left for name in forced):
        raise UnsupportedParameter(
            f"the tool `{left[0]}` is run by a provider, at its own price: functions alone are supported",
            param="tools",
        )
    return replace(request, tools=kept), left


def arguments(text: str) -> Raw:
    """A call's arguments as the object that a dialect has, nothing lost where they are none."""
    if not text.strip():
        return Raw(b"{}")
    try:
        value = json_value(text)
    except (ValueError, RecursionError):
        value = {"invalid_json": text}
    if value is None:
        return Raw(b"{}")
    return Raw(json_text(value if isinstance(value, dict) else {"input": value}).encode())


def opened(value: str) -> dict[str, Any]:
    """A structured artefact as the object that it is; empty where it is none."""
    try:
        found = json_value(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def own(held: Collection[Opaque], provider: str, kind: str) -> dict[str, Any]:
    """The fields that a provider's structured artefact adds."""
    for opaque in held:
        if opaque.provider == provider and opaque.kind == kind:
            return opened(opaque.value)
    return {}


def options_with(given: Mapping[str, dict[str, Any]], more: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Each provider's options, laid over those that are there."""
    return {**given, **{name: laid(given.get(name, {}), fields) for name, fields in more.items()}}


def rest_of(held: Collection[Opaque], provider: str) -> dict[str, Any]:
    """What else an answer of that provider's says."""
    return own(held, provider, REST)


def laid(body: dict[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with all that `rest` says: objects field by field, lists of as many objects one by one."""
    out = dict(body)
    for name, value in rest.items():
        there = out.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            out[name] = laid(there, value)
        elif isinstance(value, list) and isinstance(there, list) and _are_objects(value):
            if len(value) == len(there) and _are_objects(there):
                out[name] = [laid(one, more) for one, more in zip(there, value, strict=True)]
        else:
            out[name] = value
    return out


def _are_objects(values: list[Any]) -> bool:
    return all(isinstance(one, dict) for one in values)
