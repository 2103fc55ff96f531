"""Conversations that are in use: their histories, and what was read of them for compression."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from models.context import counter
from models.context_fitting import COUNTED_AS
from models.context_readings import ReadConversation, Readings
from models.conversations import Histories, History, Owner, StoredMessage
from models.conversing import Noted, in_force
from models.errors import PolyvoxError

log = logging.getLogger(__name__)

T = TypeVar("T")


class HotConversations:
    """Belongs to one event loop."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._readings = Readings(counter(COUNTED_AS))
        self._reading_ahead: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._told_again: set[tuple[str, int]] = set()
        """Of those that are being read ahead: more was said meanwhile."""

    async def history(self, owner: Owner, conversation_id: str, *, branch: int | None = None) -> History:
        """Raises NotFound, Overloaded."""
        return await self._histories.get_conversation_history(owner, conversation_id, branch=branch)

    async def read(self, history: History, before: Sequence[StoredMessage], skipped: int) -> ReadConversation:
        """`before` is what of the history is in force where the first `skipped` messages were left behind."""
        conversation = history.conversation
        key = (conversation.id, conversation.created_at, history.branch, skipped)
        return await self._readings.of(key, [stored.message for stored in before])

    async def work(self, task: Callable[[], T]) -> T:
        """What takes more than a moment, beside the event loop."""
        return await self._readings.work(task)

    def read_ahead(self, owner: Owner, conversation_id: str, branch: int) -> None:
        """In the background; once more at the end, however often it is asked for meanwhile."""
        key = (conversation_id, branch)
        if key in self._reading_ahead:
            self._told_again.add(key)
            return
        task = asyncio.get_running_loop().create_task(self._make_ready(owner, *key))
        self._reading_ahead[key] = task
        task.add_done_callback(lambda _: self._reading_ahead.pop(key, None))

    async def _make_ready(self, owner: Owner, conversation_id: str, branch: int) -> None:
        again = True
        try:
            while again:
                self._told_again.discard((conversation_id, branch))
                history = await self.history(owner, conversation_id, branch=branch)
                skipped = Noted.of(history).begins_after
                await self.read(history, in_force(history, skipped), skipped)
                again = (conversation_id, branch) in self._told_again
        except PolyvoxError as error:
            log.info("conversation %s could not be read ahead: %s", conversation_id, error)
