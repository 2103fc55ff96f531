"""What a write makes of a conversation: decided here, for every store, from where the conversation stands.

A store holds the conversation to itself, reads its `Standing`, and carries out the `Plan`.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from models.conversations.conversation import (
    Branch,
    Conversation,
    check_version,
    is_id,
    unknown_branch,
    unknown_message,
)
from models.conversations.message import (
    NewMessage,
    StoredMessage,
    encoded,
    searchable,
    title_of,
)
from models.conversations.tally import Answer, with_costs, with_runs
from models.errors import Conflict, InvalidRequest, PayloadTooLarge

MAX_MESSAGES = 20_000
"""Of a conversation, all branches together."""
MAX_BRANCHES = 1_000
MAX_BYTES = 64 * 1024 * 1024
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_BYTES_PER_TOKEN = 4


class Anchor(Struct, frozen=True, kw_only=True):
    """A message that others come after."""

    id: str
    branch: int
    seq: int


class Fork(Struct, frozen=True, kw_only=True):
    """A new branch goes on from `after`, or from what came before `instead_of`."""

    after: str | None = None
    instead_of: str | None = None
    select: bool = True
    """It becomes the head."""


class Written(Struct, frozen=True, kw_only=True):
    version: int
    branch: int
    message_ids: tuple[str, ...]
    replayed: bool = False
    """It had been written before, under the same key."""


class Done(Struct, frozen=True, kw_only=True):
    """What an idempotency key was used for."""

    digest: str
    version: int
    branch: int
    message_ids: tuple[str, ...]


class Standing(Struct, frozen=True, kw_only=True):
    at: datetime
    """The store's clock."""
    conversation: Conversation
    branch: int | None = None
    """The branch that is written to, if there is such a one."""
    length: int = 0
    """Of its path."""
    tip: Anchor | None = None
    """The last message of its path."""
    named: Anchor | None = None
    """The message that a fork is at."""
    before: Anchor | None = None
    """The one before that."""
    done: Done | None = None


class Drafted(Struct, frozen=True):
    id: str
    new: NewMessage
    content: bytes
    text: str
    created_at: datetime | None = None


class Draft(Struct, frozen=True, kw_only=True):
    """A write, made before the conversation is looked at. Two writes from one draft are one."""

    messages: tuple[Drafted, ...]
    branch: int | None = None
    fork: Fork | None = None
    key: str
    digest: str


class Row(Struct, frozen=True):
    stored: StoredMessage
    content: bytes
    text: str


class Plan(Struct, frozen=True, kw_only=True):
    conversation: Conversation
    """As it will be."""
    branches: Sequence[Branch]
    """To be added."""
    rows: Sequence[Row]
    """To be added."""
    written: Written


def drafted(new: NewMessage, *, created_at: datetime | None = None) -> Drafted:
    """Raises InvalidRequest, PayloadTooLarge."""
    content = encoded(new.message)
    if len(content) > MAX_MESSAGE_BYTES:
        raise PayloadTooLarge(f"a message is longer than {MAX_MESSAGE_BYTES} bytes", param="messages")
    return Drafted(str(uuid4()), new, content, searchable(new.message), created_at)


def draft(
    messages: Sequence[NewMessage],
    *,
    branch: int | None = None,
    fork: Fork | None = None,
    key: str | None = None,
) -> Draft:
    """A write without a key gets one of its own, so that it can be tried again when a connection breaks."""
    if fork is None and not messages:
        raise InvalidRequest("there is nothing to append", param="messages")
    if fork is not None and (fork.after is None) == (fork.instead_of is None):
        raise InvalidRequest("a branch goes on after a message, or instead of one", param="after")
    if fork is not None and not is_id(named := fork.after or fork.instead_of or ""):
        raise unknown_message(named)
    made = tuple(drafted(new) for new in messages)
    said = blake2b(repr((branch, fork)).encode(), digest_size=16)
    for one in made:
        said.update(len(one.content).to_bytes(8) + one.content)
    return Draft(
        messages=made, branch=branch, fork=fork, key=key or f"own:{uuid4()}", digest=said.hexdigest()
    )


def replayed(standing: Standing, wanted: Draft) -> Written | None:
    """What the draft's key has already led to. Raises Conflict if that was another write."""
    done = standing.done
    if done is None:
        return None
    if done.digest != wanted.digest:
        raise Conflict("this idempotency key was used for another write")
    return Written(version=done.version, branch=done.branch, message_ids=done.message_ids, replayed=True)


def planned(standing: Standing, wanted: Draft, *, expected_version: int | None) -> Plan:
    """Raises Conflict, NotFound, PayloadTooLarge."""
    now = standing.conversation
    check_version(now, expected_version)
    version, branches = now.version + 1, []
    if wanted.fork is None:
        if standing.branch is None:
            raise unknown_branch(now.head if wanted.branch is None else wanted.branch)
        branch, length, tip = standing.branch, standing.length, standing.tip
    else:
        tip = _forked_from(standing, wanted.fork)
        branch, length = now.branches + 1, 0 if tip is None else tip.seq
        parent = None if tip is None else tip.branch
        branches.append(
            Branch(branch=branch, parent=parent, fork_seq=length, version=version, created_at=standing.at)
        )
    rows = placed(
        wanted.messages,
        branch=branch,
        length=length,
        parent_id=None if tip is None else tip.id,
        version=version,
        at=standing.at,
    )
    head = branch if wanted.fork is not None and wanted.fork.select else now.head
    after = with_rows(replace(now, version=version, head=head, updated_at=standing.at), branches, rows)
    ids = tuple(row.stored.id for row in rows)
    written = Written(version=version, branch=branch, message_ids=ids)
    return Plan(conversation=after, branches=branches, rows=rows, written=written)


def placed(
    messages: Sequence[Drafted],
    *,
    branch: int,
    length: int,
    parent_id: str | None,
    version: int,
    at: datetime,
) -> list[Row]:
    """The messages after a path of `length`, each the parent of the next."""
    rows = []
    for seq, one in enumerate(messages, length + 1):
        stored = StoredMessage(
            id=one.id,
            parent_id=parent_id,
            branch=branch,
            seq=seq,
            version=version,
            message=one.new.message,
            producer=one.new.producer,
            tokens=one.new.tokens or -(-len(one.content) // _BYTES_PER_TOKEN),
            bytes=len(one.content),
            created_at=one.created_at or at,
        )
        rows.append(Row(stored, one.content, one.text))
        parent_id = one.id
    return rows


def with_rows(conversation: Conversation, branches: Sequence[Branch], rows: Sequence[Row]) -> Conversation:
    """Its account with these in it. Raises PayloadTooLarge where they are too many."""
    stored = [row.stored for row in rows]
    answers = [Answer(one.branch, one.seq, one.producer) for one in stored if one.producer is not None]
    after = replace(
        conversation,
        title=conversation.title or title_of(one.message for one in stored),
        branches=conversation.branches + len(branches),
        messages=conversation.messages + len(rows),
        bytes=conversation.bytes + sum(one.bytes for one in stored),
        model_history=with_runs(conversation.model_history, answers),
        cost_tracking=with_costs(conversation.cost_tracking, answers),
    )
    if after.messages > MAX_MESSAGES or after.bytes > MAX_BYTES or after.branches > MAX_BRANCHES:
        raise PayloadTooLarge(
            f"a conversation ends at {MAX_MESSAGES} messages, {MAX_BRANCHES} branches or {MAX_BYTES} bytes"
        )
    return after


def _forked_from(standing: Standing, fork: Fork) -> Anchor | None:
    if standing.named is None:
        raise unknown_message(fork.after or fork.instead_of or "")
    return standing.named if fork.after is not None else standing.before
