"""Any history, however torn, as turns that every provider accepts.

Guarantees: no empty text and no empty turn; after an assistant turn with calls comes a user turn that
opens with exactly their results, in the calls' order; ids are legal, unique and stable.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from models.chat import (
    File,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.providers.names import CallIds, pairing_key
from models.providers.profiles import Profile

OPENING = Text("(The conversation begins.)")
CONTINUE = Text("Continue.")
_NO_RESULT = Text("No result: the call was interrupted.")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REPLAYED = {
    "openai": frozenset[str](),
    "anthropic": frozenset(("signature", "redacted_thinking")),
    "google": frozenset(("thought_signature",)),
}
"""Kinds of artefacts that go back to the provider they came from."""
_SYSTEM: tuple[Role, ...] = ("system", "developer")


class Turn(Struct, frozen=True):
    role: Role
    """Never `tool`: results open a user turn."""
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def is_system(self) -> bool:
        return self.role in _SYSTEM

    @property
    def results(self) -> tuple[ToolResult, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolResult))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


class Conversation(Struct, frozen=True):
    """Strictly alternating user and assistant turns, a user's first; system turns only where native."""

    system: tuple[Text, ...]
    turns: list[Turn]


def paired(messages: Sequence[Message], *, profile: Profile, keep_names: bool) -> list[Turn]:
    """Turns in the caller's order, every call with its result. Names become text where not kept."""
    tidy = [turn for message in messages for turn in _tidy(message, profile, keep_names=keep_names)]
    return _with_results(_joined_answers(tidy), CallIds(max_length=profile.tool_id_max))


def alternating(messages: Sequence[Message], *, profile: Profile) -> Conversation:
    """For the providers whose system prompt stands apart and whose roles alternate."""
    turns = paired(messages, profile=profile, keep_names=False)
    first = next((i for i, turn in enumerate(turns) if not turn.is_system), len(turns))
    system = tuple(part for turn in turns[:first] for part in turn.parts if isinstance(part, Text))
    placed = merged(_place_system(merged(turns[first:]), native=profile.mid_system))
    if not placed or placed[0].role != "user":
        placed.insert(0, Turn("user", (OPENING,)))
    if placed[-1].role == "assistant" and not profile.prefill:
        placed.append(Turn("user", (CONTINUE,)))
    return Conversation(system, placed)


def merged(turns: Iterable[Turn]) -> list[Turn]:
    """Runs of one role become one turn."""
    runs = groupby(turns, key=lambda turn: "system" if turn.is_system else turn.role)
    return [_as_one(list(run)) for _, run in runs]


def artefact(part: Text | ToolCall | Thinking, provider: str, kind: str) -> str | None:
    """The part's private artefact of that provider and kind; those of others never leave here."""
    return next((o.value for o in part.opaque if o.provider == provider and o.kind == kind), None)


def _tidy(message: Message, profile: Profile, *, keep_names: bool) -> list[Turn]:
    results = tuple(part for part in message.parts if isinstance(part, ToolResult))
    others = tuple(part for part in message.parts if not isinstance(part, ToolResult))
    if message.role == "assistant":
        turn = Turn("assistant", tuple(part for part in others if _says(part, profile)))
    else:
        heard = (_as_input(part) for part in others if not isinstance(part, Thinking))
        role: Role = "user" if message.role == "tool" else message.role
        turn = Turn(role, tuple(part for part in heard if _says(part, profile)))
    if turn.is_system:
        turn = Turn(turn.role, tuple(part for part in turn.parts if isinstance(part, Text)))
    said = [_named(turn, message.name, keep=keep_names)] if turn.parts else []
    given = [Turn("user", results)] if results else []
    return said + given if message.role == "assistant" else given + said


def _named(turn: Turn, name: str, *, keep: bool) -> Turn:
    if not name or turn.role == "assistant":
        return turn
    if keep and _PLAIN_NAME.fullmatch(name):
        return Turn(turn.role, turn.parts, name)
    return Turn(turn.role, (Text(f"{name}:"), *turn.parts))


def _says(part: Part, profile: Profile) -> bool:
    match part:
        case Text():
            # Gemini signs empty texts too.
            signed = profile.provider == "google" and _is_home(part.opaque, profile)
            return signed or bool(part.text.strip())
        case Refusal():
            return bool(part.text.strip())
        case Thinking():
            return _is_home(part.opaque, profile)
        case Image() | File() | ToolCall() | ToolResult():
            return True
        case _:
            assert_never(part)


def _is_home(artefacts: tuple[Opaque, ...], profile: Profile) -> bool:
    kinds = _REPLAYED[profile.provider]
    return any(o.provider == profile.provider and o.kind in kinds and o.value for o in artefacts)


def _as_input(part: Part) -> Part:
    """What only an assistant can say, as text, where somebody else is said to have said it."""
    match part:
        case ToolCall():
            return Text(f"[Call of the tool {part.name}: {part.arguments}]")
        case Text():
            return replace(part, opaque=())
        case Refusal():
            return Text(part.text)
        case _:
            return part


def _joined_answers(turns: list[Turn]) -> list[Turn]:
    """Parallel calls that came as several messages are one turn; text after a call begins another."""
    runs: list[list[Turn]] = []
    called = False
    for turn in turns:
        more_calls = all(isinstance(part, ToolCall | Thinking) for part in turn.parts)
        goes_on = bool(runs) and runs[-1][0].role == turn.role == "assistant" and (more_calls or not called)
        if goes_on:
            runs[-1].append(turn)
        else:
            runs.append([turn])
        called = bool(turn.calls) or (goes_on and called)
    return [_as_one(run) for run in runs]


def _as_one(run: list[Turn]) -> Turn:
    if len(run) == 1:
        return run[0]
    return Turn(run[0].role, tuple(part for turn in run for part in turn.parts))


def _with_results(turns: list[Turn], ids: CallIds) -> list[Turn]:
    results = _Results(turns)
    out: list[Turn] = []
    for at, turn in enumerate(turns):
        parts: list[Part] = []
        answers: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolCall):
                call = replace(part, id=ids.give(part.id))
                parts.append(call)
                answers.append(_answer_to(call, results.take(part, at)))
            elif not isinstance(part, ToolResult):
                parts.append(part)
            elif not results.is_taken(part, at):
                parts += _orphan(part)
        if parts:
            out.append(Turn(turn.role, tuple(parts), turn.name))
        if answers:
            out.append(Turn("user", tuple(answers)))
    return out


class _Results:
    """Pairs by id over the whole history, never by adjacency.

    A call takes the first result after it, but none from behind a later call of the same id: there are
    hosts that number each turn's calls from 0. Calls are to be asked for in their order.
    """

    def __init__(self, turns: list[Turn]) -> None:
        self._waiting: defaultdict[str, deque[tuple[int, ToolResult]]] = defaultdict(deque)
        self._asked: defaultdict[str, deque[int]] = defaultdict(deque)
        self._taken: set[tuple[int, int]] = set()
        for at, turn in enumerate(turns):
            for part in turn.parts:
                if isinstance(part, ToolCall):
                    self._asked[pairing_key(part)].append(at)
                elif isinstance(part, ToolResult):
                    self._waiting[pairing_key(part)].append((at, part))

    def take(self, call: ToolCall, at: int) -> ToolResult | None:
        key = pairing_key(call)
        asked, waiting = self._asked[key], self._waiting[key]
        while asked and asked[0] <= at:
            asked.popleft()
        until = asked[0] if asked else None
        while waiting and (until is None or waiting[0][0] < until):
            place, result = waiting.popleft()
            if place > at:
                self._taken.add((place, id(result)))
                return result
        return None

    def is_taken(self, result: ToolResult, at: int) -> bool:
        return (at, id(result)) in self._taken


def _answer_to(call: ToolCall, result: ToolResult | None) -> ToolResult:
    if result is None:
        return ToolResult(call.id, (_NO_RESULT,), name=call.name, is_error=True)
    parts = tuple(part for part in result.parts if not isinstance(part, Text) or part.text.strip())
    return replace(result, call_id=call.id, name=call.name, parts=parts)


def _orphan(result: ToolResult) -> list[Part]:
    """A result whose call is gone (truncation, compression) still says something: as text."""
    what = f"the tool {result.name}" if result.name else "a tool"
    said = [p for p in result.parts if not isinstance(p, Text) or p.text.strip()]
    return [Text(f"[Result of an earlier call of {what}]"), *said]


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
            out.append(Turn("user", (Text("[System instruction]"), *turn.parts)))
    return out
