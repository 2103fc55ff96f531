"""Conversations that have been read for compression, kept while they are hot."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from models.chat import Message
from models.context import Assembly, Count, Cut, Prepared, abstract_cut, turns_of
from models.conversations import StoredMessage

MAX_TURNS = 50_000
"""Of all readings together: some 15 KB of memory each."""
_CUTS = 8

Key = tuple[str, datetime, int, int]
"""The conversation and when it was made, the branch, and how many messages are left out at its beginning."""
T = TypeVar("T")


@dataclass
class ReadConversation:
    messages: int
    """How many it was made of."""
    prepared: Prepared
    cuts: OrderedDict[str, Cut] = field(default_factory=OrderedDict)
    """What a model was sent, to be sent again: so it stays in the provider's prompt cache."""
    _checked: tuple[str, int, Cut | None] | None = None

    def fit(
        self,
        budget_tokens: int,
        question: str | None,
        *,
        models: Sequence[str] = (),
        summary: Cut | None = None,
        closeness: Sequence[float] | None = None,
    ) -> Assembly:
        """For `models`, which will be sent the same cut again. `summary` is one that a model wrote: it goes
        before an extractive cut of no more turns."""
        cut = next((self.cuts[model] for model in models if model in self.cuts), None)
        if summary is not None and (cut is None or cut.turns <= summary.turns):
            cut = summary
        assembly = self.prepared.fit(budget_tokens, question, cut=cut, closeness=closeness)
        if assembly.cut is not None:
            for model in models:
                self.cuts[model] = assembly.cut
                self.cuts.move_to_end(model)
        while len(self.cuts) > _CUTS:
            self.cuts.popitem(last=False)
        return assembly

    def abstract(self, summary: str, *, turns: int) -> Cut | None:
        """A model's summary of the first `turns` as it can be sent, checked once."""
        if self._checked is None or self._checked[:2] != (summary, turns):
            self._checked = (summary, turns, abstract_cut(self.prepared.reading, summary, turns=turns))
        return self._checked[2]

    def by_turn(self, messages: Sequence[StoredMessage], of: Mapping[str, float]) -> list[float]:
        """What is known of messages by their ids, for each turn that they were read as."""
        return [of.get(stored.id, 0.0) for stored in messages for _ in turns_of([stored.message])]

    def spoken(self, assembly: Assembly) -> list[str]:
        """The texts of an assembly, with who said what was kept whole."""
        turns = self.prepared.reading.turns
        return [
            piece.text if piece.turn is None else f"[{turns[piece.turn].role}]\n{piece.text}"
            for piece in assembly.pieces
        ]


class Readings:
    """One conversation is read at a time, in a thread. Belongs to one event loop."""

    def __init__(self, count: Count, *, max_turns: int = MAX_TURNS) -> None:
        self._count = count
        self._max_turns = max_turns
        self._kept: OrderedDict[Key, ReadConversation] = OrderedDict()
        self._turns = 0
        self._one_at_a_time = asyncio.Semaphore(1)
        self._work_at_a_time = asyncio.Semaphore(1)

    async def of(self, key: Key, messages: Sequence[Message]) -> ReadConversation:
        """Read as far as `messages` go."""
        found = self._current(key, messages)
        if found is not None:
            return found
        async with self._one_at_a_time:
            found = self._current(key, messages)
            if found is not None:  # while this one waited
                return found
            prepared = await asyncio.to_thread(self._read, messages)
            before = self._kept.get(key)
            made = ReadConversation(len(messages), prepared)
            if before is not None and before.messages < made.messages:
                made.cuts = before.cuts
            self._keep(key, made)
            return made

    async def work(self, made: Callable[[], T]) -> T:
        """What takes its time with what has been read, away from the event loop and one at a time."""
        async with self._work_at_a_time:
            return await asyncio.to_thread(made)

    def _current(self, key: Key, messages: Sequence[Message]) -> ReadConversation | None:
        """Messages never change: as many of them are the same."""
        found = self._kept.get(key)
        if found is None or found.messages != len(messages):
            return None
        self._kept.move_to_end(key)
        return found

    def _read(self, messages: Sequence[Message]) -> Prepared:
        prepared = Prepared(turns_of(messages), count=self._count)
        prepared.reading.make_ready()
        return prepared

    def _keep(self, key: Key, made: ReadConversation) -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            self._turns -= len(before.prepared.reading.turns)
        self._kept[key] = made
        self._turns += len(made.prepared.reading.turns)
        while self._turns > self._max_turns and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._turns -= len(oldest.prepared.reading.turns)
