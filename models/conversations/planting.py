"""A conversation from the beginning: empty, or with everything that was said in it elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from models.conversations.conversation import FIRST_BRANCH, Branch, Conversation, Owner, is_id
from models.conversations.message import NewMessage
from models.conversations.writing import Drafted, Plan, Row, Written, drafted, placed, with_rows
from models.errors import InvalidRequest

_FIRST_VERSION = 1


class Given(Struct, frozen=True):
    """A message of old."""

    new: NewMessage
    created_at: datetime | None = None


class NewBranch(Struct, frozen=True, kw_only=True):
    parent: int | None = None
    fork_seq: int = 0
    messages: tuple[Given, ...] = ()


class NewConversation(Struct, frozen=True, kw_only=True):
    """With an id, so that making it again changes nothing. Its branches count from 1."""

    id: str
    title: str = ""
    expires_at: datetime | None = None
    head: int = FIRST_BRANCH
    branches: tuple[NewBranch, ...] = (NewBranch(),)


def new_conversation(
    messages: Sequence[NewMessage] = (),
    *,
    id: str | None = None,
    title: str = "",
    expires_at: datetime | None = None,
) -> NewConversation:
    """Of one branch."""
    first = NewBranch(messages=tuple(Given(one) for one in messages))
    return NewConversation(id=id or str(uuid4()), title=title, expires_at=expires_at, branches=(first,))


class Seed(Struct, frozen=True):
    """A new conversation that has been checked message by message."""

    new: NewConversation
    drafts: tuple[tuple[Drafted, ...], ...]
    """Of each branch."""


def seeded(new: NewConversation) -> Seed:
    """Raises InvalidRequest, PayloadTooLarge."""
    if not is_id(new.id):
        raise InvalidRequest("the id of a conversation is a UUID", param="id")
    if not 0 < new.head <= len(new.branches):
        raise InvalidRequest(f"there is no branch {new.head}", param="head")
    drafts = tuple(
        tuple(drafted(given.new, created_at=given.created_at) for given in branch.messages)
        for branch in new.branches
    )
    return Seed(new, drafts)


def planted(seed: Seed, owner: Owner, *, at: datetime) -> Plan:
    """Raises InvalidRequest for branches that do not make a tree."""
    assert owner.user_id is not None, "a conversation is somebody's"
    new = seed.new
    ids: dict[tuple[int | None, int], str | None] = {(None, 0): None}
    branches: list[Branch] = []
    rows: list[Row] = []
    for number, (branch, drafts) in enumerate(zip(new.branches, seed.drafts, strict=True), FIRST_BRANCH):
        root = (branch.parent, branch.fork_seq)
        if root not in ids:
            raise InvalidRequest(f"branch {number} goes on from nowhere", param=f"branches.{number - 1}")
        added = placed(
            [_not_later(one, at) for one in drafts],
            branch=number,
            length=branch.fork_seq,
            parent_id=ids[root],
            version=_FIRST_VERSION,
            at=at,
        )
        ids |= {(number, row.stored.seq): row.stored.id for row in added}
        rows += added
        branches.append(
            Branch(
                branch=number,
                parent=branch.parent,
                fork_seq=branch.fork_seq,
                version=_FIRST_VERSION,
                created_at=at,
            )
        )
    bare = Conversation(
        id=new.id,
        tenant_id=owner.tenant_id,
        user_id=owner.user_id,
        title=new.title,
        version=_FIRST_VERSION,
        head=new.head,
        branches=0,
        created_at=at,
        updated_at=at,
        expires_at=new.expires_at,
    )
    written = Written(
        version=_FIRST_VERSION, branch=new.head, message_ids=tuple(row.stored.id for row in rows)
    )
    return Plan(conversation=with_rows(bare, branches, rows), branches=branches, rows=rows, written=written)


def _not_later(one: Drafted, at: datetime) -> Drafted:
    """Nothing was said after now."""
    return one if one.created_at is None or one.created_at <= at else replace(one, created_at=None)
