"""Responses that are kept: each is an answer in a conversation, and its id says in which and which it is."""

import re
from typing import NamedTuple
from uuid import UUID, uuid4

from msgspec import Struct

from models.chat import Message
from models.conversations import Conversation, ConversationStore, Owner, StoredMessage
from models.errors import Conflict, NotFound

_ID = re.compile(r"resp_([0-9a-f]{32})_(\w{1,64})", re.ASCII)
_REQUEST = "req_"


class Earlier(NamedTuple):
    """What a response goes on from."""

    conversation_id: str
    messages: tuple[Message, ...] = ()
    """What has to be said again, as the conversation does not have it."""


class Kept(Struct, frozen=True):
    """A response with its conversation."""

    conversation: Conversation
    answer: StoredMessage
    before: tuple[StoredMessage, ...]
    """Its path, oldest first."""

    @property
    def previous_id(self) -> str | None:
        earlier = next((one for one in reversed(self.before) if one.producer), None)
        if earlier is None or earlier.producer is None or not earlier.producer.request_id:
            return None
        return response_id(earlier.producer.request_id, self.conversation.id)


def response_id(request_id: str, conversation_id: str = "") -> str:
    """Without a conversation it is kept nowhere."""
    where = f"{UUID(conversation_id).hex}_" if conversation_id else ""
    return f"resp_{where}{request_id.removeprefix(_REQUEST)}"


class StoredResponses:
    def __init__(self, conversations: ConversationStore) -> None:
        self._conversations = conversations

    async def earlier(self, owner: Owner, id: str) -> Earlier:
        """The response's conversation, if it ends there; else a new one, with all that was said up to it."""
        conversation, request = await self._named(owner, id)
        last = await self._conversations.path(conversation, newest_first=True, limit=1)
        if last and _is_of(last[0], request):
            return Earlier(conversation.id)
        kept = await self._found(conversation, request, id)
        said = tuple(one.message for one in (*kept.before, kept.answer))
        return Earlier(str(uuid4()), said)

    async def said(self, owner: Owner, id: str) -> tuple[Message, ...]:
        """All that was said up to it, and it."""
        kept = await self.get(owner, id)
        return tuple(one.message for one in (*kept.before, kept.answer))

    async def get(self, owner: Owner, id: str) -> Kept:
        """Raises NotFound."""
        conversation, request = await self._named(owner, id)
        return await self._found(conversation, request, id)

    async def delete(self, owner: Owner, id: str) -> None:
        """With its conversation. Raises Conflict if there are other answers in that."""
        kept = await self.get(owner, id)
        conversation = kept.conversation
        everything = await self._conversations.messages(conversation)
        if any(one.producer for one in everything if one.id != kept.answer.id):
            raise Conflict(f"other responses are in its conversation: delete that one, {conversation.id}")
        await self._conversations.delete(owner, conversation.id)

    async def _named(self, owner: Owner, id: str) -> tuple[Conversation, str]:
        found = _ID.fullmatch(id)
        if found is None:
            raise _unknown(id)
        try:
            conversation = await self._conversations.get(owner, str(UUID(found.group(1))))
        except NotFound:
            raise _unknown(id) from None
        return conversation, found.group(2)

    async def _found(self, conversation: Conversation, request: str, id: str) -> Kept:
        everything = await self._conversations.messages(conversation)
        answer = next((one for one in everything if _is_of(one, request)), None)
        if answer is None:
            raise _unknown(id)
        path = await self._conversations.path(conversation, answer.branch, before=answer.seq)
        return Kept(conversation, answer, tuple(path))


def _is_of(stored: StoredMessage, request: str) -> bool:
    producer = stored.producer
    return producer is not None and producer.request_id.removeprefix(_REQUEST) == request


def _unknown(id: str) -> NotFound:
    return NotFound(f"there is no response {id[:120]}", param="response_id")
