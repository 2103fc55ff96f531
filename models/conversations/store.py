"""Where conversations are kept: what every store of them does, and how they are left to expire."""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from models.conversations.conversation import Branch, Change, Conversation, Owner, Place
from models.conversations.message import NewMessage, StoredMessage
from models.conversations.planting import NewConversation
from models.conversations.search import Hit, Sought
from models.conversations.writing import Fork, Written

MAX_METADATA_BYTES = 64 * 1024

PAGE_BYTES = 8 * 1024 * 1024
"""A page ends early where its messages would be longer together; it has one at least."""


class Policy(Struct, frozen=True, kw_only=True):
    """A tenant's."""

    retention_days: int | None = None
    """Conversations that have not changed for so long are deleted."""
    grace_days: int = 30
    """So long after that, or after somebody deleted them, they are gone for good."""


class ConversationStore(Protocol):
    """Each method raises NotFound for what the owner does not have, Overloaded if the store is away.

    Where a version is expected, Conflict is raised if the conversation is at another.
    """

    async def create(self, owner: Owner, new: NewConversation) -> Conversation:
        """Again: the one that there is. Raises Conflict if the id is somebody else's."""

    async def get(self, owner: Owner, conversation_id: str) -> Conversation: ...

    async def page(
        self, owner: Owner, *, model: str | None = None, after: Place | None = None, limit: int
    ) -> Sequence[Conversation]:
        """Last changed first; with `model`, those in which it has answered."""

    async def append(
        self,
        owner: Owner,
        conversation_id: str,
        messages: Sequence[NewMessage],
        *,
        branch: int | None = None,
        expected_version: int | None = None,
        key: str | None = None,
    ) -> Written:
        """All of them, one after the other, at the end of the branch (by default the head), or none.

        Under a key that was used before nothing is written: the answer is that of the first time.
        """

    async def fork(
        self,
        owner: Owner,
        conversation_id: str,
        fork: Fork,
        messages: Sequence[NewMessage] = (),
        *,
        expected_version: int | None = None,
        key: str | None = None,
    ) -> Written:
        """A new branch, with these messages in it: an edit, or another try."""

    async def change(
        self, owner: Owner, conversation_id: str, change: Change, *, expected_version: int | None = None
    ) -> Conversation: ...

    async def note(self, owner: Owner, conversation_id: str, metadata: dict[str, Any]) -> None:
        """Lays these over the context metadata. The version stays as it is."""

    async def delete(
        self, owner: Owner, conversation_id: str, *, expected_version: int | None = None
    ) -> None:
        """It is gone for everybody at once, and for good when the tenant's days of grace are over."""

    async def path(
        self,
        conversation: Conversation,
        branch: int | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        max_bytes: int | None = None,
    ) -> list[StoredMessage]:
        """Of the branch (by default the head) as of the conversation's version, in the order of `seq`: those
        beyond `after`, short of `before`. Nobody's rights are checked: who has a conversation may read it."""

    async def branches(self, conversation: Conversation) -> list[Branch]: ...

    async def messages(self, conversation: Conversation) -> list[StoredMessage]:
        """Of all branches, in the order of branch and `seq`."""

    async def search(self, owner: Owner, sought: Sought) -> list[Hit]:
        """Best first, in every branch."""

    async def policy(self, tenant_id: str) -> Policy: ...

    async def set_policy(self, tenant_id: str, policy: Policy) -> Policy: ...
