"""Any history, however torn, as turns that every provider accepts.

Guarantees: no empty text and no empty turn; after an assistant turn with calls comes a user turn that
opens with exactly their results, in the calls' order; ids are legal, unique and stable; private artefacts
are the target's own.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from models.chat import (
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.parts import MADE_ID, REST, artefact
from models.providers.names import CallIds
from models.providers.pairing import Results, answer_to, orphan
from models.providers.profiles import Profile
from models.providers.stand_ins import CONTINUE, OPENING, SYSTEM_LABEL

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SYSTEM: tuple[Role, ...] = ("system", "developer")


class Turn(Struct, frozen=True):
    role: Role
    """Never `tool`: results open a user turn."""
    parts: tuple[Part, ...]
    name: str = ""
    opaque: tuple[Opaque, ...] = ()

    @property
    def is_system(self) -> bool:
        return self.role in _SYSTEM

    @property
    def results(self) -> tuple[ToolResult, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolResult))

    @property
    def texts(self) -> tuple[Text, ...]:
        return tuple(part for part in self.parts if isinstance(part, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


class Conversation(Struct, frozen=True):
    """Strictly alternating user and assistant turns, a user's first; system turns only where native."""

    system: tuple[Text, ...]
    turns: list[Turn]


class Home(Struct, frozen=True):
    """Whose private artefacts a wire sends back, and which kinds of them."""

    provider: str
    kinds: frozenset[str]
    signs_empty_texts: bool = False
    ends_on_thinking: bool = True
    """An answer may break off before it said anything."""

    def takes(self, artefacts: Iterable[Opaque]) -> bool:
        return any(o.provider == self.provider and o.kind in self.kinds and o.value for o in artefacts)


def paired(
    messages: Sequence[Message], *, profile: Profile, home: Home, keep_names: bool = False
) -> list[Turn]:
    """Turns in the caller's order, every call with its result. Names become text where not kept."""
    tidy = [turn for message in messages for turn in _tidy(message, home, keep_names=keep_names)]
    ids = CallIds(max_length=profile.tool_id_max, required=profile.call_ids_required)
    return _with_results(_joined_answers(tidy), ids, home)


def alternating(messages: Sequence[Message], *, profile: Profile, home: Home) -> Conversation:
    """For the providers whose system prompt stands apart and whose roles alternate."""
    turns = paired(messages, profile=profile, home=home)
    first = next((i for i, turn in enumerate(turns) if not turn.is_system), len(turns))
    system = tuple(text for turn in turns[:first] for text in turn.texts)
    told = merged(turns[first:])
    if not home.ends_on_thinking:
        told = merged(spoken for turn in told if (spoken := _without_last_thoughts(turn)).parts)
    placed = merged(_place_system(told, native=profile.mid_system))
    if not placed or placed[0].role != "user":
        placed.insert(0, Turn("user", (OPENING,)))
    if placed[-1].role == "assistant" and not profile.prefill:
        placed.append(Turn("user", (CONTINUE,)))
    return Conversation(system, placed)


def merged(turns: Iterable[Turn]) -> list[Turn]:
    """Runs of one role become one turn."""
    runs = groupby(turns, key=lambda turn: "system" if turn.is_system else turn.role)
    return [_as_one(list(run)) for _, run in runs]


def _tidy(message: Message, home: Home, *, keep_names: bool) -> list[Turn]:
    readable = _readable(message.parts, home)
    results = tuple(part for part in readable if isinstance(part, ToolResult))
    others = tuple(part for part in readable if not isinstance(part, ToolResult)) if results else readable
    role: Role = "user" if message.role == "tool" else message.role
    if role != "assistant":
        others = tuple(_as_input(part) for part in others if not isinstance(part, Thinking))
    said = tuple(part for part in others if _says(part, home))
    if role in _SYSTEM:
        said = tuple(part for part in said if isinstance(part, Text))
    turns = [_named(Turn(role, said, opaque=message.opaque), message.name, keep=keep_names)] if said else []
    given = [Turn("user", results)] if results else []
    return turns + given if role == "assistant" else given + turns


def _readable(parts: tuple[Part, ...], home: Home) -> tuple[Part, ...]:
    """With what the target is told in place of blocks that are not its own."""
    if not any(isinstance(part, Native) for part in parts):
        return parts
    read: list[Part] = []
    for part in parts:
        read += part.parts if isinstance(part, Native) and not home.takes((part.opaque,)) else (part,)
    return tuple(read)


def _named(turn: Turn, name: str, *, keep: bool) -> Turn:
    if not name:
        return turn
    if keep and _PLAIN_NAME.fullmatch(name):
        return replace(turn, name=name)
    # A model that sees its own turns begin with a name goes on writing one.
    return turn if turn.role == "assistant" else replace(turn, parts=(Text(f"{name}:"), *turn.parts))


def _says(part: Part, home: Home) -> bool:
    match part:
        case Text():
            return bool(part.text.strip()) or (home.signs_empty_texts and home.takes(part.opaque))
        case Refusal():
            return bool(part.text.strip())
        case Thinking():
            return home.takes(part.opaque)
        case Image() | File() | ToolCall() | ToolResult() | Native():
            return True
        case _:
            assert_never(part)


def _as_input(part: Part) -> Part:
    """What only an assistant can say, as text, where somebody else is said to have said it."""
    match part:
        case ToolCall():
            return Text(f"[Call of the tool {part.name}: {part.arguments}]")
        case Text() if part.opaque:
            return replace(part, opaque=tuple(o for o in part.opaque if o.kind == REST))
        case Refusal():
            return Text(part.text)
        case _:
            return part


def _joined_answers(turns: list[Turn]) -> list[Turn]:
    """Parallel calls that came as messages of their own belong to the answer whose calls they are."""
    runs: list[list[Turn]] = []
    for turn in turns:
        is_more = all(isinstance(part, ToolCall | Thinking | Native) for part in turn.parts)
        before = runs[-1] if runs else []
        if is_more and turn.role == "assistant" and any(one.calls for one in before):
            before.append(turn)
        else:
            runs.append([turn])
    return [_as_one(run) for run in runs]


def _as_one(run: list[Turn]) -> Turn:
    if len(run) == 1:
        return run[0]
    parts = tuple(part for turn in run for part in turn.parts)
    return Turn(run[0].role, parts, run[0].name, tuple(o for turn in run for o in turn.opaque))


def _without_last_thoughts(turn: Turn) -> Turn:
    if not turn.parts or not isinstance(turn.parts[-1], Thinking):
        return turn
    spoken = [at for at, part in enumerate(turn.parts) if not isinstance(part, Thinking)]
    return replace(turn, parts=turn.parts[: spoken[-1] + 1 if spoken else 0])


def _with_results(turns: list[Turn], ids: CallIds, home: Home) -> list[Turn]:
    results = Results([turn.parts for turn in turns])
    out: list[Turn] = []
    for at, turn in enumerate(turns):
        parts: list[Part] = []
        answers: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolCall):
                had_none = artefact(part.opaque, home.provider, MADE_ID) is not None
                call = replace(part, id=ids.give("" if had_none else part.id))
                parts.append(call)
                answers.append(_answer(call, results.take(part, at), home))
            elif not isinstance(part, ToolResult):
                parts.append(part)
            elif not results.is_taken(part, at):
                parts += orphan(replace(part, parts=_shown(part.parts, home)))
        if parts:
            out.append(replace(turn, parts=tuple(parts)))
        if answers:
            out.append(Turn("user", tuple(answers)))
    return out


def _answer(call: ToolCall, result: ToolResult | None, home: Home) -> ToolResult:
    shown = _shown(result.parts, home) if result else ()
    return answer_to(call, replace(result, parts=shown) if result else None)


def _shown(
    parts: Collection[Text | Image | File | Native], home: Home
) -> tuple[Text | Image | File | Native, ...]:
    read: list[Text | Image | File | Native] = []
    for part in parts:
        if isinstance(part, Native) and not home.takes((part.opaque,)):
            read += part.parts
        elif not isinstance(part, Text) or part.text.strip():
            read.append(part)
    return tuple(read)


def _place_system(turns: list[Turn], *, native: bool) -> list[Turn]:
    """A later system turn stays where the provider takes one, else it is said in a user turn.

    Said in place rather than hoisted: the turns before it, and so the provider's cache, stay as they were.
    """
    out: list[Turn] = []
    for at, turn in enumerate(turns):
        after_user = bool(out) and out[-1].role == "user"
        before_answer = at + 1 == len(turns) or turns[at + 1].role == "assistant"
        if not turn.is_system:
            out.append(turn)
        elif native and after_user and before_answer:
            out.append(Turn("system", turn.parts))
        else:
            out.append(Turn("user", (SYSTEM_LABEL, *turn.parts)))
    return out
