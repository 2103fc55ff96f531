"""Conversations end by policy, and what is gone for good leaves nothing behind."""

import asyncio

import pytest
from psycopg import AsyncConnection

from models.conversations import (
    Fork,
    Owner,
    Policy,
    PostgresConversations,
    PostgresEmbeddingQueue,
    Retention,
    Sought,
    new_conversation,
)
from models.conversations.search import DIMENSIONS
from models.errors import NotFound
from models.store import Database
from tests.services.conversations import fetch, person
from tests.unit.conversations.specification import turn

AGE = b"UPDATE conversations SET updated_at = updated_at - %s * interval '1 day' WHERE id = %s::uuid"
GONE_SINCE = b"UPDATE conversations SET deleted_at = deleted_at - %s * interval '1 day'"


@pytest.fixture
async def ann(database: Database) -> Owner:
    return await person(database)


@pytest.fixture
def store(database: Database) -> PostgresConversations:
    return PostgresConversations(database)


async def old(database: Database, store: PostgresConversations, owner: Owner, *, days: float) -> str:
    made = await store.create(owner, new_conversation(turn("hello")))
    await fetch(database, AGE, days, made.id)
    return made.id


async def there(store: PostgresConversations, owner: Owner) -> set[str]:
    return {c.id for c in await store.page(owner, limit=500)}


async def test_what_has_not_changed_for_so_long_is_deleted(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    eve = await person(database, "eve", tenant="other")
    await store.set_policy(ann.tenant_id, Policy(retention_days=30))
    await old(database, store, ann, days=31)
    kept, foreign = await old(database, store, ann, days=29), await old(database, store, eve, days=500)
    await Retention(database).run_once()
    assert (await there(store, ann), await there(store, eve)) == ({kept}, {foreign})
    await store.set_policy(ann.tenant_id, Policy())
    await old(database, store, ann, days=500)
    await Retention(database).run_once()
    assert len(await there(store, ann)) == 2


async def test_what_has_an_end_of_its_own_ends_then(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    made = [await old(database, store, ann, days=0) for _ in range(3)]
    set_end = b"UPDATE conversations SET expires_at = now() + %s * interval '1 second' WHERE id = %s::uuid"
    await fetch(database, set_end, -1, made[0])
    await fetch(database, set_end, 60, made[1])
    await Retention(database).run_once()
    assert await there(store, ann) == set(made[1:])


async def test_what_changes_at_this_moment_is_kept(
    database: Database, store: PostgresConversations, ann: Owner, url: str
) -> None:
    await store.set_policy(ann.tenant_id, Policy(retention_days=30))
    made = await old(database, store, ann, days=31)
    async with await AsyncConnection.connect(url) as writer:
        await writer.execute("UPDATE conversations SET updated_at = now()")
        await Retention(database).run_once()  # does not wait for the writer
        await writer.commit()
    await Retention(database).run_once()
    assert await there(store, ann) == {made}


async def test_what_was_deleted_is_gone_for_good_after_the_days_of_grace(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    eve = await person(database, "eve", tenant="other")
    await store.set_policy(ann.tenant_id, Policy(grace_days=7))
    kept = await old(database, store, ann, days=0)
    for owner in (ann, eve):
        made = await store.get(owner, await old(database, store, owner, days=0))
        first = (await store.path(made))[0]
        await store.fork(owner, made.id, Fork(instead_of=first.id), turn("A"))
        claimed = await PostgresEmbeddingQueue(database).claim(2)
        vectors = {one.message_id: [[1.0] * DIMENSIONS] for one in claimed}
        await PostgresEmbeddingQueue(database).keep(vectors, "e")
        await store.delete(owner, made.id)
    await fetch(database, GONE_SINCE, 6)
    await Retention(database).run_once()
    assert await fetch(database, b"SELECT count(*) FROM conversations") == [(3,)]
    await fetch(database, GONE_SINCE, 1)
    await Retention(database).run_once()
    assert await fetch(database, b"SELECT count(*) FROM conversations") == [(2,)]
    # The other tenant's has the days that are usual.
    await fetch(database, GONE_SINCE, 30)
    await Retention(database).run_once()
    assert await fetch(database, b"SELECT id::text FROM conversations") == [(kept,)]
    for table in (b"messages", b"conversation_branches"):
        left = await fetch(database, b"SELECT DISTINCT conversation_id::text FROM " + table)
        assert left == [(kept,)]
    orphans = (
        b"SELECT message_id FROM embedding_outbox UNION ALL SELECT message_id FROM message_embeddings"
        b" EXCEPT SELECT id FROM messages"
    )
    assert await fetch(database, orphans) == []


async def test_many_end_in_small_pieces_and_by_several_hands(
    database: Database, store: PostgresConversations, ann: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.conversations.retention.PURGED_MESSAGES", 5)
    monkeypatch.setattr("models.conversations.retention.EXPIRED_AT_ONCE", 3)
    await store.set_policy(ann.tenant_id, Policy(retention_days=1, grace_days=0))
    for _ in range(12):
        await old(database, store, ann, days=2)
    await asyncio.gather(*(Retention(database).run_once() for _ in range(3)))
    await Retention(database).run_once()
    assert await fetch(database, b"SELECT count(*) FROM conversations") == [(0,)]
    assert await fetch(database, b"SELECT count(*) FROM messages") == [(0,)]


async def test_what_is_deleted_is_found_by_nobody_in_its_days_of_grace(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    made = await old(database, store, ann, days=0)
    claimed = await PostgresEmbeddingQueue(database).claim(10)
    vector = (1.0,) * DIMENSIONS
    await PostgresEmbeddingQueue(database).keep({one.message_id: [vector] for one in claimed}, "e")
    await store.delete(ann, made)
    assert await store.search(ann, Sought(words="hello")) == []
    with pytest.raises(NotFound):
        await store.get(ann, made)
