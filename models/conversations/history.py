"""Histories of hot conversations, kept in memory.

Each read asks PostgreSQL for the conversation itself, a row by its key, and takes from memory only what is of
the version found. So a read after a write sees it wherever that was made, what is deleted is gone at once,
and whose it is has been checked: no news that is lost or late can make a read wrong. Since messages are never
changed, what is missing is all that has to be read.
"""

from collections import OrderedDict
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from models.conversations.conversation import Conversation, Owner
from models.conversations.message import StoredMessage

MAX_BYTES = 64 * 1024 * 1024
"""Of messages as they are stored: in memory they take about three times as much."""
MAX_ENTRIES = 1_000
_BYTES_PER_MESSAGE = 500
"""What each takes beyond its content."""


class History(Struct, frozen=True):
    conversation: Conversation
    branch: int
    messages: tuple[StoredMessage, ...]
    """The whole path of the branch, as of the conversation's version."""


class HistoryStore(Protocol):
    async def get(self, owner: Owner, conversation_id: str) -> Conversation: ...

    async def path(
        self, conversation: Conversation, branch: int | None = None, *, after: int = 0
    ) -> list[StoredMessage]: ...


class _Kept(Struct, frozen=True):
    made_at: datetime
    """A conversation that was gone for good may be made anew under its id."""
    version: int
    messages: tuple[StoredMessage, ...]
    bytes: int


class Histories:
    def __init__(
        self, store: HistoryStore, *, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._bytes = 0

    async def get_conversation_history(
        self, owner: Owner, conversation_id: str, *, branch: int | None = None
    ) -> History:
        """The branch's path, by default the head's. Raises NotFound, Overloaded."""
        conversation = await self._store.get(owner, conversation_id)
        branch = conversation.head if branch is None else branch
        key = (conversation_id, branch)
        kept = self._kept.get(key)
        if kept is not None and kept.made_at != conversation.created_at:
            kept = None
        if kept is not None and kept.version == conversation.version:
            self._kept.move_to_end(key)
            return History(conversation, branch, kept.messages)
        if kept is None or kept.version > conversation.version:  # a read that was overtaken by another
            messages = tuple(await self._store.path(conversation, branch))
        else:
            newer = await self._store.path(conversation, branch, after=len(kept.messages))
            messages = (*kept.messages, *newer)
        self._keep(key, conversation, messages)
        return History(conversation, branch, messages)

    def heard(self, conversation_id: str, version: int) -> None:
        """What is older gives its room to others unless it is read soon: it goes first."""
        for key in [key for key, kept in self._kept.items() if key[0] == conversation_id]:
            if self._kept[key].version < version:
                self._kept.move_to_end(key, last=False)

    def _keep(
        self, key: tuple[str, int], conversation: Conversation, messages: tuple[StoredMessage, ...]
    ) -> None:
        made_at, version = conversation.created_at, conversation.version
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= before.bytes
            if before.made_at == made_at and before.version > version:
                version, messages = before.version, before.messages
        size = sum(one.bytes + _BYTES_PER_MESSAGE for one in messages)
        self._kept[key] = _Kept(made_at, version, messages, size)
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._kept) > self._max_entries:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.bytes
