"""What each model is sent of a conversation: all of it where that fits, else what matters most."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from models.catalog import Model
from models.chat import ChatRequest, Message
from models.context import (
    ERROR,
    Assembly,
    ContextReport,
    Cut,
    Family,
    Fit,
    counter,
    family_of,
    lighter,
    media_tokens,
    message_tokens,
    messages_of,
    preflight,
)
from models.context_readings import ReadConversation
from models.conversations import StoredMessage, searchable
from models.conversing import Turn, Variant
from models.ledger.estimates import size_of

_COUNTED = 100_000
COUNTED_AS: Family = "claude"
"""Budgets of compression are counted as by this family, whose tokens are the most: what fits it fits all, and
one reading serves a switch between any two models."""

MOST_MEDIA_CHARS = 8 * 1024 * 1024
"""Of pictures and documents said before, as base64: all providers take requests of up to 20 MB."""
_READERS: Mapping[Family, str] = {"gpt": "openai", "claude": "anthropic", "gemini": "google", "other": ""}


class Counted:
    """How many tokens stored messages are for a family, counted once each."""

    def __init__(self, *, max_messages: int = _COUNTED) -> None:
        self._max_messages = max_messages
        self._tokens: dict[tuple[str, Family], int] = {}

    def of(self, messages: Sequence[StoredMessage], family: Family) -> int:
        return sum(self._one(stored, family) for stored in messages)

    def _one(self, stored: StoredMessage, family: Family) -> int:
        known = self._tokens.get((stored.id, family))
        if known is None:
            known = tokens_of(stored.message, family)
            if len(self._tokens) >= self._max_messages:
                self._tokens.clear()
            self._tokens[stored.id, family] = known
        return known


class Room(NamedTuple):
    """What a model that the whole is too long for has left beside what is new, in tokens as estimated."""

    most: int
    """Less than nothing if not even what is new fits."""
    wanted: int
    """What to compress the conversation to."""


def tight(messages: Sequence[Message], models: Sequence[Model], turn: Turn) -> list[Model]:
    """The models that messages may be too long for, without counting: no tokens exceed the bytes."""
    size = size_of(ChatRequest(model="", messages=tuple(messages)))
    return [
        model
        for model in models
        if size.bound(model) + turn.other_tokens >= min(model.max_input, model.window - _answer(model, turn))
    ]


def misfits(
    counted: Counted,
    before: Sequence[StoredMessage],
    new: Sequence[Message],
    models: Sequence[Model],
    turn: Turn,
) -> dict[str, Room]:
    """The models that the whole of it is too long for, by id."""
    tokens, beside = {}, {}
    for family in {family_of(model.host) for model in models}:
        said = sum(tokens_of(one, family) for one in new)
        beside[family] = said + turn.other_tokens
        tokens[family] = counted.of(before, family) + said
    fits = preflight(
        tokens,
        models,
        max_output_tokens=max((_answer(model, turn) for model in models), default=0),
        other_tokens=turn.other_tokens,
    )
    return {
        fit.model_id: _room(fit, beside[family_of(model.host)])
        for fit, model in zip(fits, models, strict=True)
        if not fit.fits
    }


def compressed(
    read: ReadConversation,
    before: Sequence[StoredMessage],
    new: Sequence[Message],
    small: Mapping[str, Room],
    *,
    summary: Cut | None,
    closeness: Mapping[str, float] | None,
) -> list[Variant]:
    """For every model that at least what is new fits. `closeness` in meaning of messages, by id."""
    by_room: dict[Room, list[str]] = {}
    for model_id, room in small.items():
        if room.most >= 0:
            by_room.setdefault(room, []).append(model_id)
    question = question_of(new)
    turns_close = None if closeness is None else read.by_turn(before, closeness)
    variants = []
    for room, model_ids in by_room.items():
        assembly = read.fit(room.wanted, question, models=model_ids, summary=summary, closeness=turns_close)
        variants.append(
            Variant(
                model_ids=tuple(model_ids),
                messages=sent(assembly, before, new, room=room),
                report=report_of(read, assembly, room.wanted),
            )
        )
    return variants


def whole(before: Sequence[StoredMessage], new: Sequence[Message]) -> tuple[Message, ...]:
    """All of it; but of so many pictures that no provider would take them, the last."""
    said = [stored.message for stored in before]
    if sum(stored.bytes for stored in before) > MOST_MEDIA_CHARS:
        said = [*lighter(said, tokens=sys.maxsize, size=MOST_MEDIA_CHARS, weigh=_media)]
    return (*said, *new)


def sent(
    assembly: Assembly, before: Sequence[StoredMessage], new: Sequence[Message], *, room: Room
) -> tuple[Message, ...]:
    """Pictures and documents, which an assembly does not count, share what it leaves."""
    messages = messages_of(assembly, [stored.message for stored in before], new)
    said = len(messages) - len(new)
    left = max(0, room.most - assembly.tokens)
    return (
        *lighter(messages[:said], tokens=left, size=MOST_MEDIA_CHARS, weigh=_media),
        *messages[said:],
    )


def report_of(read: ReadConversation, assembly: Assembly, budget_tokens: int) -> ContextReport:
    return read.prepared.report(assembly, budget_tokens=budget_tokens)


def question_of(new: Sequence[Message]) -> str | None:
    """What the user wants to know now."""
    return next((searchable(one) for one in reversed(new) if one.role == "user"), None)


def tokens_of(message: Message, family: Family) -> int:
    return message_tokens(message, counter(family), reader=_READERS[family])


def _answer(model: Model, turn: Turn) -> int:
    return min(turn.max_tokens or model.max_output, model.max_output)


def _room(fit: Fit, beside: int) -> Room:
    """Half of what is left at least: what is new may be most of what a model takes."""
    most = math.floor(fit.room_tokens / (1 + ERROR)) - beside
    return Room(most, max(fit.budget_tokens - beside, most // 2))


def _media(message: Message) -> int:
    return media_tokens(message.parts, counter(COUNTED_AS))
