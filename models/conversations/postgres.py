"""Conversations in PostgreSQL."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict
from psycopg import AsyncConnection
from psycopg.errors import IdleInTransactionSessionTimeout

from models.conversations import columns
from models.conversations.conversation import (
    Branch,
    Change,
    Conversation,
    Owner,
    Place,
    check_version,
    is_id,
    noted,
    unknown,
    unknown_branch,
)
from models.conversations.embedding import OUTBOX_MESSAGES
from models.conversations.message import NewMessage, StoredMessage
from models.conversations.planting import NewConversation, planted, seeded
from models.conversations.postgres_search import PostgresSearch
from models.conversations.search import Hit, Sought
from models.conversations.store import MAX_METADATA_BYTES, Policy
from models.conversations.writing import (
    Draft,
    Fork,
    Plan,
    Standing,
    Written,
    draft,
    planned,
    replayed,
)
from models.errors import Conflict, Overloaded, PayloadTooLarge
from models.store import Database, load_queries

T = TypeVar("T")

_ALL = 2**31 - 1
_END_OF_TIME = Place(datetime.max, "ffffffff-ffff-ffff-ffff-ffffffffffff")

_json = msgspec.json.Encoder().encode
_conversation = msgspec.json.Decoder(Conversation).decode
_standing = msgspec.json.Decoder(Standing).decode
_branch = msgspec.json.Decoder(Branch).decode
_policy = msgspec.json.Decoder(Policy).decode


class PostgresConversations:
    """`changed` is told the id and the version of what was written, once it is committed."""

    def __init__(
        self,
        database: Database,
        *,
        changed: Callable[[str, int], None] = lambda _id, _version: None,
        outbox_messages: int = OUTBOX_MESSAGES,
    ) -> None:
        self._database = database
        self._changed = changed
        self._outbox_messages = outbox_messages
        self._queries = load_queries("conversations")
        self._search = PostgresSearch(database)

    async def create(self, owner: Owner, new: NewConversation) -> Conversation:
        seed = seeded(new)

        async def insert(connection: AsyncConnection) -> bool:
            async with connection.transaction():
                row = await (await connection.execute(self._queries["now"])).fetchone()
                assert row is not None
                plan = planted(seed, owner, at=row[0])
                cursor = await connection.execute(self._queries["create"], columns.account(plan.conversation))
                if not cursor.rowcount:
                    return False
                await self._carry_out(connection, plan, None)
                return True

        if not await self._database.run(insert) and not await self._find(owner, new.id):
            raise Conflict(f"there is a conversation {new.id} already", param="id")
        return await self.get(owner, new.id)

    async def get(self, owner: Owner, conversation_id: str) -> Conversation:
        found = await self._find(owner, conversation_id)
        if not found:
            raise unknown(conversation_id)
        return _conversation(found[0])

    async def page(
        self, owner: Owner, *, model: str | None = None, after: Place | None = None, limit: int
    ) -> Sequence[Conversation]:
        values = {
            **asdict(owner),
            **asdict(after or _END_OF_TIME),
            "model": None if model is None else _json([{"model": model}]).decode(),
            "limit": limit,
        }
        # Never prepared: which index is best depends on the model asked for.
        return [_conversation(text) for text in await self._texts("page", values, prepare=False)]

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
        values: dict[str, Any] = {"id": conversation_id}
        for name, value in asdict(change).items():
            values |= {f"has_{name}": value is not UNSET, name: None if value is UNSET else value}

        async def update(connection: AsyncConnection) -> Conversation:
            if values["has_head"]:
                known = {"id": conversation_id, "branch": change.head}
                row = await (await connection.execute(self._queries["has_branch"], known)).fetchone()
                if row is None or not row[0]:
                    raise unknown_branch(values["head"])
            row = await (await connection.execute(self._queries["change"], values)).fetchone()
            assert row is not None
            return _conversation(row[0])

        changed = await self._held(owner, conversation_id, update, expected_version)
        self._changed(conversation_id, changed.version)
        return changed

    async def note(self, owner: Owner, conversation_id: str, metadata: dict[str, Any]) -> None:
        values = {
            "id": conversation_id,
            **asdict(owner),
            "metadata": noted(metadata),
            "max_bytes": MAX_METADATA_BYTES,
        }
        if not is_id(conversation_id) or not await self._texts("note", values):
            await self.get(owner, conversation_id)
            raise PayloadTooLarge(f"context metadata end at {MAX_METADATA_BYTES} bytes")

    async def delete(
        self, owner: Owner, conversation_id: str, *, expected_version: int | None = None
    ) -> None:
        async def update(connection: AsyncConnection) -> int:
            cursor = await connection.execute(self._queries["delete"], {"id": conversation_id})
            row = await cursor.fetchone()
            assert row is not None
            return int(row[0])

        self._changed(conversation_id, await self._held(owner, conversation_id, update, expected_version))

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
        values = {**_as_of(conversation), "branch": branch, "after": after}
        if before is None and limit is None and max_bytes is None:
            return await self._messages("path", values)
        ends = {"before": before, "newest_first": newest_first, "limit": limit}
        return await self._messages("stretch", {**values, **ends, "max_bytes": max_bytes or _ALL})

    async def branches(self, conversation: Conversation) -> list[Branch]:
        return [_branch(text) for text in await self._texts("branches", _as_of(conversation))]

    async def messages(self, conversation: Conversation) -> list[StoredMessage]:
        return await self._messages("messages", _as_of(conversation))

    async def search(self, owner: Owner, sought: Sought) -> list[Hit]:
        return await self._search.search(owner, sought)

    async def policy(self, tenant_id: str) -> Policy:
        found = await self._texts("policy", {"tenant_id": tenant_id})
        return _policy(found[0]) if found else Policy()

    async def set_policy(self, tenant_id: str, policy: Policy) -> Policy:
        async def upsert(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["set_policy"], {"tenant_id": tenant_id, **asdict(policy)})

        await self._database.run(upsert)
        return policy

    async def _write(
        self, owner: Owner, conversation_id: str, wanted: Draft, expected_version: int | None
    ) -> Written:
        fork = wanted.fork
        values = {
            "id": conversation_id,
            "branch": wanted.branch,
            "named": None if fork is None else fork.after or fork.instead_of,
            "key": wanted.key,
        }

        async def write(connection: AsyncConnection) -> Written:
            row = await (await connection.execute(self._queries["standing"], values)).fetchone()
            assert row is not None
            standing = _standing(row[0])
            before = replayed(standing, wanted)
            if before is not None:
                return before
            plan = planned(standing, wanted, expected_version=expected_version)
            await self._carry_out(connection, plan, wanted)
            return plan.written

        written = await self._held(owner, conversation_id, write, None)
        if not written.replayed:
            self._changed(conversation_id, written.version)
        return written

    async def _held(
        self,
        owner: Owner,
        conversation_id: str,
        operation: Callable[[AsyncConnection], Awaitable[T]],
        expected_version: int | None,
    ) -> T:
        """One transaction that has the conversation to itself."""
        values = {"id": conversation_id, **asdict(owner)}
        if not is_id(conversation_id):
            raise unknown(conversation_id)

        async def run(connection: AsyncConnection) -> T:
            try:
                return await hold(connection)
            except IdleInTransactionSessionTimeout:
                raise Overloaded("this process was held up, and others went on without it") from None

        async def hold(connection: AsyncConnection) -> T:
            async with connection.transaction():
                row = await (await connection.execute(self._queries["lock"], values)).fetchone()
                if row is None:
                    raise unknown(conversation_id)
                if expected_version is not None:
                    row = await (await connection.execute(self._queries["get"], values)).fetchone()
                    assert row is not None
                    check_version(_conversation(row[0]), expected_version)
                return await operation(connection)

        return await self._database.run(run)

    async def _carry_out(self, connection: AsyncConnection, plan: Plan, wanted: Draft | None) -> None:
        values = {
            **columns.account(plan.conversation),
            **columns.branches(plan, wanted),
            **columns.rows(plan, wanted),
        }
        await connection.execute(self._queries["write"], {**values, "outbox": self._outbox_messages})

    async def _find(self, owner: Owner, conversation_id: str) -> list[str]:
        if not is_id(conversation_id):
            return []
        return await self._texts("get", {"id": conversation_id, **asdict(owner)})

    async def _messages(self, query: str, values: Mapping[str, Any]) -> list[StoredMessage]:
        async def fetch(connection: AsyncConnection) -> list[StoredMessage]:
            cursor = await connection.execute(self._queries[query], values, binary=True)
            return [columns.message(row) for row in await cursor.fetchall()]

        return await self._database.run(fetch)

    async def _texts(
        self, query: str, values: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[str]:
        async def fetch(connection: AsyncConnection) -> list[str]:
            rows = await connection.execute(self._queries[query], values, prepare=prepare)
            return [text for (text,) in await rows.fetchall()]

        return await self._database.run(fetch)


def _as_of(conversation: Conversation) -> dict[str, Any]:
    return {"id": conversation.id, "version": conversation.version}
