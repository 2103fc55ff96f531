"""Conversations without a database, for tests and for trying things out."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from models.conversations.conversation import (
    Branch,
    Change,
    Conversation,
    Owner,
    Place,
    check_version,
    noted,
    unknown,
    unknown_branch,
)
from models.conversations.memory_search import Candidate, found
from models.conversations.message import NewMessage, StoredMessage, searchable
from models.conversations.planting import NewConversation, planted, seeded
from models.conversations.search import Hit, Sought
from models.conversations.store import MAX_METADATA_BYTES, Policy
from models.conversations.writing import (
    Anchor,
    Done,
    Draft,
    Fork,
    Plan,
    Standing,
    Written,
    draft,
    planned,
    replayed,
)
from models.errors import Conflict, PayloadTooLarge


def _now() -> datetime:
    return datetime.now(UTC)


class _Kept:
    """A conversation with all that is in it."""

    def __init__(self, plan: Plan) -> None:
        self.branches: list[Branch] = []
        self.messages: list[StoredMessage] = []
        self.done: dict[str, Done] = {}
        self.is_deleted = False
        self.carry_out(plan)

    def carry_out(self, plan: Plan) -> None:
        self.conversation = plan.conversation
        self.branches += plan.branches
        self.messages += [row.stored for row in plan.rows]

    def path(self, branch: int) -> list[StoredMessage]:
        it = self.branches[branch - 1]
        own = [one for one in self.messages if one.branch == branch]
        before = [] if it.parent is None else self.path(it.parent)[: it.fork_seq]
        return [*before, *own]

    def anchor(self, message_id: str | None) -> Anchor | None:
        return next((_anchor(one) for one in self.messages if one.id == message_id), None)


class InMemoryConversations:
    """`embed` gives messages their vectors, `clock` says what time it is, `changed` is told of writes."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = _now,
        changed: Callable[[str, int], None] = lambda _id, _version: None,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._kept: dict[str, _Kept] = {}
        self._vectors: dict[str, tuple[str, Sequence[Sequence[float]]]] = {}
        self._policies: dict[str, Policy] = {}

    def embed(self, message_id: str, vectors: Sequence[Sequence[float]], encoder: str) -> None:
        self._vectors[message_id] = (encoder, vectors)

    async def create(self, owner: Owner, new: NewConversation) -> Conversation:
        seed = seeded(new)
        if new.id not in self._kept:
            self._kept[new.id] = _Kept(planted(seed, owner, at=self._clock()))
        kept = self._kept[new.id]
        if kept.is_deleted or not owner.owns(kept.conversation):
            raise Conflict(f"there is a conversation {new.id} already", param="id")
        return kept.conversation

    async def get(self, owner: Owner, conversation_id: str) -> Conversation:
        return self._find(owner, conversation_id).conversation

    async def page(
        self, owner: Owner, *, model: str | None = None, after: Place | None = None, limit: int
    ) -> Sequence[Conversation]:
        chosen = [
            c
            for c in self._of(owner)
            if (after is None or (c.updated_at, c.id) < (after.updated_at, after.id))
            and (model is None or any(run.model == model for run in c.model_history))
        ]
        return sorted(chosen, key=lambda c: (c.updated_at, c.id), reverse=True)[:limit]

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
        wanted = draft(messages, branch=branch, key=key)
        return await self._write(owner, conversation_id, wanted, expected_version)

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
        wanted = draft(messages, fork=fork, key=key)
        return await self._write(owner, conversation_id, wanted, expected_version)

    async def change(
        self, owner: Owner, conversation_id: str, change: Change, *, expected_version: int | None = None
    ) -> Conversation:
        kept = self._find(owner, conversation_id)
        now = kept.conversation
        check_version(now, expected_version)
        wanted = {name: value for name, value in asdict(change).items() if value is not UNSET}
        if not 0 < wanted.get("head", now.head) <= now.branches:
            raise unknown_branch(wanted["head"])
        kept.conversation = replace(now, **wanted, version=now.version + 1, updated_at=self._clock())
        self._changed(conversation_id, kept.conversation.version)
        return kept.conversation

    async def note(self, owner: Owner, conversation_id: str, metadata: dict[str, Any]) -> None:
        kept = self._find(owner, conversation_id)
        merged = {**kept.conversation.context_metadata, **json.loads(noted(metadata))}
        if len(msgspec.json.encode(merged)) > MAX_METADATA_BYTES:
            raise PayloadTooLarge(f"context metadata end at {MAX_METADATA_BYTES} bytes")
        kept.conversation = replace(kept.conversation, context_metadata=merged)

    async def delete(
        self, owner: Owner, conversation_id: str, *, expected_version: int | None = None
    ) -> None:
        kept = self._find(owner, conversation_id)
        check_version(kept.conversation, expected_version)
        kept.is_deleted = True
        self._changed(conversation_id, kept.conversation.version + 1)

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
        branch = conversation.head if branch is None else branch
        if not 0 < branch <= conversation.branches:
            raise unknown_branch(branch)
        await asyncio.sleep(0)  # as a store that is elsewhere: others have their turn
        chosen = [
            one
            for one in self._kept[conversation.id].path(branch)
            if one.version <= conversation.version and after < one.seq < (before or one.seq + 1)
        ]
        ordered = chosen[::-1] if newest_first else chosen
        return sorted(_within(ordered[:limit], max_bytes), key=lambda one: one.seq)

    async def branches(self, conversation: Conversation) -> list[Branch]:
        kept = self._kept[conversation.id].branches
        return [one for one in kept if one.version <= conversation.version]

    async def messages(self, conversation: Conversation) -> list[StoredMessage]:
        kept = self._kept[conversation.id].messages
        mine = [one for one in kept if one.version <= conversation.version]
        return sorted(mine, key=lambda one: (one.branch, one.seq))

    async def search(self, owner: Owner, sought: Sought) -> list[Hit]:
        candidates = [
            Candidate(conversation, one, searchable(one.message), *self._vectors.get(one.id, ("", ())))
            for conversation in self._of(owner)
            if sought.conversation_id in (None, conversation.id)
            for one in self._kept[conversation.id].messages
        ]
        return found(candidates, sought)

    async def policy(self, tenant_id: str) -> Policy:
        return self._policies.get(tenant_id, Policy())

    async def set_policy(self, tenant_id: str, policy: Policy) -> Policy:
        self._policies[tenant_id] = policy
        return policy

    async def _write(
        self, owner: Owner, conversation_id: str, wanted: Draft, expected_version: int | None
    ) -> Written:
        kept = self._find(owner, conversation_id)
        standing = _standing(kept, wanted, at=self._clock())
        before = replayed(standing, wanted)
        if before is not None:
            return before
        plan = planned(standing, wanted, expected_version=expected_version)
        kept.carry_out(plan)
        kept.done[wanted.key] = Done(
            digest=wanted.digest,
            version=plan.written.version,
            branch=plan.written.branch,
            message_ids=plan.written.message_ids,
        )
        self._changed(conversation_id, plan.written.version)
        return plan.written

    def _find(self, owner: Owner, conversation_id: str) -> _Kept:
        kept = self._kept.get(conversation_id)
        if kept is None or kept.is_deleted or not owner.owns(kept.conversation):
            raise unknown(conversation_id)
        return kept

    def _of(self, owner: Owner) -> list[Conversation]:
        kept = [one.conversation for one in self._kept.values() if not one.is_deleted]
        return [conversation for conversation in kept if owner.owns(conversation)]


def _standing(kept: _Kept, wanted: Draft, *, at: datetime) -> Standing:
    now = kept.conversation
    branch = now.head if wanted.branch is None else wanted.branch
    exists = 0 < branch <= len(kept.branches)
    path = kept.path(branch) if exists else []
    named = None if wanted.fork is None else wanted.fork.after or wanted.fork.instead_of
    parents = {one.id: one.parent_id for one in kept.messages}
    return Standing(
        at=at,
        conversation=now,
        branch=branch if exists else None,
        length=len(path),
        tip=_anchor(path[-1]) if path else None,
        named=kept.anchor(named),
        before=kept.anchor(parents.get(named or "")),
        done=kept.done.get(wanted.key),
    )


def _anchor(message: StoredMessage) -> Anchor:
    return Anchor(id=message.id, branch=message.branch, seq=message.seq)


def _within(messages: Sequence[StoredMessage], max_bytes: int | None) -> Sequence[StoredMessage]:
    """As many as are not longer together; one at least."""
    total = 0
    for number, one in enumerate(messages):
        if max_bytes is not None and number and total >= max_bytes:
            return messages[:number]
        total += one.bytes
    return messages
