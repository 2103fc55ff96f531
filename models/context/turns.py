"""A turn as compression sees it: who said what, which tools were called, what they answered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from models.chat import File, Image, Message, Native, Part, Refusal, Text, ToolCall, ToolResult
from models.errors import InvalidRequest

TurnLike = Mapping[str, Any]
"""`role`, `content` and, where they apply, `tool_calls`, `tool_call_id`, `name`, as in OpenAI's messages."""


class Call(Struct, frozen=True):
    id: str
    name: str
    arguments: str
    """JSON text, or whatever the model wrote instead."""


class Turn(Struct, frozen=True, omit_defaults=True):
    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    """Of a tool's answer: the call that it answers."""
    name: str = ""

    @property
    def body(self) -> str:
        """All that the turn says, as one text."""
        if not self.calls:
            return self.text
        calls = [{"id": c.id, "name": c.name, "arguments": _value(c.arguments)} for c in self.calls]
        return f"{self.text} {msgspec.json.encode(calls).decode()}"

    @property
    def pinned(self) -> bool:
        """Instructions hold for the whole conversation."""
        return self.role in ("system", "developer")

    @property
    def from_tool(self) -> bool:
        return self.role == "tool"


def read_turns(turns: Iterable[TurnLike | Turn]) -> list[Turn]:
    return [turn if isinstance(turn, Turn) else _read(turn) for turn in turns]


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """The turns of a canonical history. Reasoning is private to its provider and takes no part; a picture
    or a file without text is named."""
    turns: list[Turn] = []
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        turns.extend(
            Turn("tool", _text(result.parts), call_id=result.call_id, name=result.name) for result in results
        )
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        text = _text(part for part in message.parts if not isinstance(part, ToolResult | ToolCall))
        if calls or not results:
            called = tuple(Call(call.id, call.name, call.arguments) for call in calls)
            turns.append(Turn(message.role, text, called, name=message.name))
    return turns


def _text(parts: Iterable[Part]) -> str:
    return "\n".join(filter(None, map(_part_text, parts)))


def _part_text(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case File(text=text, filename=filename):
            return text or f"[file {filename or part.media_type or part.url}]"
        case Image():
            return f"[image {part.url}]" if part.url else "[image]"
        case Native(parts=parts):
            return _text(parts)
        case _:
            return ""


def _read(turn: TurnLike) -> Turn:
    role = turn.get("role")
    if not isinstance(role, str):
        raise InvalidRequest("a turn needs a role", param="role")
    return Turn(
        role,
        _content(turn.get("content")),
        tuple(map(_call, turn.get("tool_calls") or ())),
        str(turn.get("tool_call_id") or ""),
        str(turn.get("name") or ""),
    )


def _content(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(p["text"]) for p in content if isinstance(p, dict) and p.get("text"))
    raise InvalidRequest("a turn's content is text or a list of parts", param="content")


def _call(call: Mapping[str, Any]) -> Call:
    function = call.get("function") or call
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    return Call(str(call.get("id") or ""), str(function.get("name") or ""), arguments)


def _value(arguments: str) -> object:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments
