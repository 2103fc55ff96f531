"""A conversation: whose it is, where it stands, which models answered in it and what that cost."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from models.errors import Conflict, NotFound

FIRST_BRANCH = 1


class Owner(Struct, frozen=True):
    """Whose conversations are meant."""

    tenant_id: str
    user_id: str | None = None
    """None: anybody's of the tenant, which is for its administrators to say."""

    def owns(self, conversation: "Conversation") -> bool:
        return self.tenant_id == conversation.tenant_id and self.user_id in (None, conversation.user_id)


class ModelRun(Struct, frozen=True, kw_only=True):
    """Answers of one model that followed each other in a branch."""

    model: str
    provider: str = ""
    api: str = ""
    branch: int
    first_seq: int
    last_seq: int
    answers: int


class Spent(Struct, frozen=True, kw_only=True):
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: str = "0"
    """A text: JSON's numbers end at 2⁵³ for many who read them."""


class CostTracking(Struct, frozen=True):
    """What the answers of all branches took."""

    total: Spent = Spent()
    models: dict[str, Spent] = {}


class Conversation(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    user_id: str
    title: str = ""
    version: int
    """Counts the changes that a client may see."""
    head: int = FIRST_BRANCH
    """The branch that is shown, and written to unless another is named."""
    branches: int = 1
    messages: int = 0
    """Of all branches."""
    bytes: int = 0
    model_history: tuple[ModelRun, ...] = ()
    """Oldest first."""
    context_metadata: dict[str, Any] = {}
    """What the context engine notes; it is of no version."""
    cost_tracking: CostTracking = CostTracking()
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    """From then on it is deleted, whatever the tenant's policy."""


class Branch(Struct, frozen=True, kw_only=True):
    """Its path is that of its parent up to `fork_seq`, and then its own messages."""

    branch: int
    parent: int | None = None
    """The branch that the message at `fork_seq` is of."""
    fork_seq: int = 0
    version: int
    """The version of the conversation that it came with."""
    created_at: datetime


class Change(Struct, frozen=True, kw_only=True):
    """What shall be different."""

    title: str | UnsetType = UNSET
    head: int | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET


class Place(Struct, frozen=True):
    """Where a page of conversations goes on: after this one."""

    updated_at: datetime
    id: str


def is_id(text: str) -> bool:
    """Whether a conversation or a message can have it as its id."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def unknown(conversation_id: str) -> NotFound:
    return NotFound(f"there is no conversation {conversation_id[:100]}")


def unknown_branch(branch: int) -> NotFound:
    return NotFound(f"the conversation has no branch {branch}", param="branch")


def noted(metadata: dict[str, Any]) -> str:
    """As JSON, in which U+FFFD stands for NUL: PostgreSQL's JSON that can be merged knows none."""
    return msgspec.json.encode(metadata).decode().replace("\\u0000", "\\ufffd")


def unknown_message(message_id: str) -> NotFound:
    return NotFound(f"the conversation has no message {message_id[:100]}")


def check_version(conversation: Conversation, expected: int | None) -> None:
    """Raises Conflict unless the conversation is still as the caller takes it to be."""
    if expected is not None and expected != conversation.version:
        raise Conflict(f"the conversation is at version {conversation.version}, not at {expected}")
