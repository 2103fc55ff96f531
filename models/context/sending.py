"""An assembly as the messages that are sent: whole turns as they were said, the rest as blocks of text."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeGuard

from msgspec.structs import replace

from models.chat import File, Image, Message, Part, Text, Thinking, ToolResult
from models.context.assemble import Assembly
from models.context.turns import turns_of

BEFORE = "[What was said before, in short]\n"
ABOUT = "[From earlier in this conversation, for what follows]\n"


def messages_of(
    assembly: Assembly, history: Sequence[Message], new: Sequence[Message]
) -> tuple[Message, ...]:
    """`assembly` was made of the turns of `history`; `new` follows it.

    What the question is about stands in the last message of the user, behind everything that stays the same
    from turn to turn. Reasoning goes along only while tools that it called for are under way.
    """
    origins = [at for at, message in enumerate(history) for _ in turns_of([message])]
    under_way = _last_user(history) if _goes_on(new) else len(history)
    sent: list[Message] = []
    placed: set[int] = set()
    about = ""
    for piece in assembly.pieces:
        if piece.turn is None and piece.block == "retrieved":
            about = piece.text
        elif piece.turn is None:
            sent.append(Message("user", (Text(BEFORE + piece.text),)))
        elif (at := origins[piece.turn]) not in placed:
            placed.add(at)
            sent.append(history[at] if at > under_way else _without_thoughts(history[at]))
    return (*(one for one in sent if one.parts), *_with_reminder(new, about))


def lighter(
    messages: Sequence[Message], *, tokens: int, size: int, weigh: Callable[[Message], int]
) -> tuple[Message, ...]:
    """Pictures and documents as long as those of later messages leave room: `tokens` by `weigh`, `size` in
    characters of their data. Earlier ones are named."""
    kept: list[Message] = []
    for message in reversed(messages):
        if any(map(_is_medium, _all(message.parts))):
            tokens -= weigh(message)
            size -= sum(len(part.data) for part in _all(message.parts) if _is_medium(part))
            if tokens < 0 or size < 0:
                tokens = size = 0
                message = replace(message, parts=tuple(map(_named, message.parts)))
        kept.append(message)
    return tuple(reversed(kept))


def _goes_on(new: Sequence[Message]) -> bool:
    """Whether tools answer first in it, or nobody says anything."""
    return next((one.role for one in new if one.role in ("tool", "user")), "tool") == "tool"


def _is_medium(part: Part) -> TypeGuard[Image | File]:
    return isinstance(part, Image) or (isinstance(part, File) and not part.text)


def _all(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolResult):
            yield from part.parts


def _named(part: Part) -> Part:
    if isinstance(part, ToolResult):
        return replace(part, parts=tuple(map(_named, part.parts)))
    if not _is_medium(part):
        return part
    [turn] = turns_of([Message("user", (part,))])
    return Text(turn.text)


def _with_reminder(new: Sequence[Message], about: str) -> Sequence[Message]:
    last = _last_user(new)
    if not about or last < 0:
        return new
    asked = replace(new[last], parts=(Text(ABOUT + about), *new[last].parts))
    return (*new[:last], asked, *new[last + 1 :])


def _last_user(messages: Sequence[Message]) -> int:
    return max((at for at, one in enumerate(messages) if one.role == "user"), default=-1)


def _without_thoughts(message: Message) -> Message:
    parts = tuple(part for part in message.parts if not isinstance(part, Thinking))
    return message if len(parts) == len(message.parts) else replace(message, parts=parts)
