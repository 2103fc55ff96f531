"""Messages are embedded after they were written, and found by what they mean."""

import asyncio
import hashlib
from collections.abc import Sequence
from random import Random
from uuid import uuid4

import pytest

from models.conversations import (
    EmbeddingWorker,
    NewMessage,
    Owner,
    PostgresConversations,
    PostgresEmbeddingQueue,
    Sought,
    Vector,
    new_conversation,
)
from models.conversations.embedding import ATTEMPTS, Vectors
from models.conversations.postgres_search import PostgresSearch
from models.conversations.search import DIMENSIONS
from models.errors import Overloaded
from models.store import Database
from tests.services.conversations import fetch, person
from tests.unit.conversations.specification import said

ENCODER = "bag of words"


def bag(text: str) -> tuple[float, ...]:
    """A vector in which texts of the same words are near each other."""
    values = [0.001] * DIMENSIONS
    for word in text.lower().split():
        values[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS] += 1.0
    return tuple(values)


async def embed(texts: Sequence[str]) -> Vectors:
    return [bag(text) for text in texts]


def meaning(text: str) -> Vector:
    return Vector(bag(text), ENCODER)


async def embed_all(database: Database) -> None:
    await EmbeddingWorker(PostgresEmbeddingQueue(database), embed, encoder=ENCODER).run_once()


@pytest.fixture
async def ann(database: Database) -> Owner:
    return await person(database)


@pytest.fixture
def store(database: Database) -> PostgresConversations:
    return PostgresConversations(database)


async def talk(store: PostgresConversations, owner: Owner, *lines: str) -> str:
    return (await store.create(owner, new_conversation([said(line) for line in lines]))).id


async def seqs(store: PostgresConversations, owner: Owner, **sought: object) -> list[int]:
    return [hit.seq for hit in await store.search(owner, Sought(**sought))]  # type: ignore[arg-type]


async def test_what_means_the_same_is_found_without_its_words(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    await talk(store, ann, "ships on waves", "the tax form", "waves on a shore")
    await embed_all(database)
    assert await seqs(store, ann, vector=meaning("waves shore"), limit=2) == [3, 1]
    best, *_ = await store.search(ann, Sought(vector=meaning("ships on waves")))
    assert best.similarity == pytest.approx(1, abs=0.01)
    assert "".join(part.text for part in best.snippet) == "ships on waves"
    assert await seqs(store, ann, vector=Vector(bag("waves"), "another encoder")) == []


async def test_both_scores_count_together_and_any_of_the_words_will_do(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    await talk(
        store, ann, "deadline moved", "the deadline of the project is Friday", "project plan", "weather"
    )
    await embed_all(database)
    question = "which deadline has the project got"
    assert await seqs(store, ann, words=question) == []  # all of the words: nothing
    hits = await store.search(ann, Sought(words=question, vector=meaning(question)))
    assert (hits[0].seq, hits[-1].seq) == (2, 4)
    assert hits[0].score > hits[0].similarity > 0
    assert [part.text for part in hits[0].snippet if part.match] == ["deadline", "project"]


@pytest.mark.parametrize("exact_vectors", [100_000, 0], ids=["all", "neighbours"])
async def test_an_owner_of_few_finds_theirs_among_many(
    database: Database, store: PostgresConversations, ann: Owner, exact_vectors: int
) -> None:
    bob, random = await person(database, "bob"), Random(1)  # noqa: S311
    crowd = [f"waves {' '.join(random.choices('abcdefghijklmnopqrst', k=8))}" for _ in range(1_500)]
    await talk(store, bob, *crowd)
    conversation = await talk(store, ann, "waves", "salt", "storm")
    await embed_all(database)
    await fetch(database, b"ANALYZE message_embeddings")
    searching = PostgresSearch(database, exact_vectors=exact_vectors)
    everything = await searching.search(ann, Sought(vector=meaning("waves")))
    assert everything[0].seq == 1
    assert {hit.user_id for hit in everything} == {ann.user_id}
    assert len(everything) == 3
    confined = Sought(vector=meaning("waves"), conversation_id=conversation, limit=10)
    (best, *_) = await searching.search(Owner(ann.tenant_id), confined)
    assert best.seq == 1
    assert await searching.search(bob, confined) == []


async def test_a_long_message_is_found_by_any_stretch_of_it(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    long = "\n\n".join(" ".join([word] * 160) for word in ("alpha", "bravo", "gamma", "delta"))
    await talk(store, ann, "alpha bravo gamma delta", long)
    await embed_all(database)
    best, *_ = await store.search(ann, Sought(vector=meaning("delta")))
    assert best.seq == 2
    assert best.similarity == pytest.approx(1, abs=0.01)
    pieces = await fetch(database, b"SELECT count(*) FROM message_embeddings")
    assert pieces[0][0] > 2


async def test_words_are_found_whatever_their_form_and_case(store: PostgresConversations, ann: Owner) -> None:
    await talk(store, ann, "We were RUNNING late", "Straße und Übung", "see https://example.com/a?b=1&c=2")
    for words, found in (("run", [1]), ("Straße", [2]), ("example.com", [3]), ("running -late", [])):
        assert await seqs(store, ann, words=words) == found


@pytest.mark.parametrize("words", ["&|!()", "''", "a:*", "\\", "the", "or or -", '"', "<->", "x" * 3_000])
async def test_no_words_break_the_search(store: PostgresConversations, ann: Owner, words: str) -> None:
    await talk(store, ann, "hello")
    assert await seqs(store, ann, words=words) == []
    assert await seqs(store, ann, words=words, vector=meaning(words)) == []


async def test_the_outbox_is_bounded_and_nothing_is_forgotten(database: Database, ann: Owner) -> None:
    store = PostgresConversations(database, outbox_messages=4)
    queue = PostgresEmbeddingQueue(database, outbox_messages=4)
    for number in range(3):
        await talk(store, ann, f"a {number}", f"b {number}", f"c {number}", "")
    lag = await queue.lag()
    assert (lag.waiting, lag.behind) == (3, 2)
    assert lag.oldest_s >= 0
    await EmbeddingWorker(queue, embed, encoder=ENCODER).run_once()
    assert (await queue.lag()).waiting == (await queue.lag()).behind == 0
    assert await fetch(database, b"SELECT count(*) FROM message_embeddings") == [(9,)]
    await EmbeddingWorker(queue, embed, encoder=ENCODER).run_once()
    assert await fetch(database, b"SELECT count(*) FROM message_embeddings") == [(9,)]


async def test_workers_share_the_work(database: Database, store: PostgresConversations, ann: Owner) -> None:
    await talk(store, ann, *(f"line {n}" for n in range(100)))
    seen: list[str] = []

    async def counting(texts: Sequence[str]) -> Vectors:
        seen.extend(texts)
        await asyncio.sleep(0)
        return [bag(text) for text in texts]

    queue = PostgresEmbeddingQueue(database)
    await asyncio.gather(*(EmbeddingWorker(queue, counting, encoder=ENCODER).run_once() for _ in range(4)))
    assert sorted(seen) == sorted(f"line {n}" for n in range(100))


async def test_an_encoder_that_is_away_costs_no_attempt(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    await talk(store, ann, "hello")

    async def away(_: Sequence[str]) -> Vectors:
        raise Overloaded("the encoder is away")

    queue = PostgresEmbeddingQueue(database)
    for _ in range(ATTEMPTS + 2):
        with pytest.raises(Overloaded):
            await EmbeddingWorker(queue, away, encoder=ENCODER).run_once()
        assert await queue.claim(10) == []  # not at once
        await fetch(database, b"UPDATE embedding_outbox SET due_at = now()")
    await embed_all(database)
    assert len(await store.search(ann, Sought(vector=meaning("hello")))) == 1


async def test_a_worker_that_died_is_succeeded_and_a_message_that_kills_them_given_up(
    database: Database, store: PostgresConversations, ann: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    await talk(store, ann, "poison")
    queue = PostgresEmbeddingQueue(database, lease_s=0)
    for _ in range(ATTEMPTS):
        assert [(one.text, one.hopeless) for one in await queue.claim(10)] == [("poison", False)]
    await EmbeddingWorker(queue, embed, encoder=ENCODER).run_once()
    assert "could not be embedded" in caplog.text
    assert (await queue.lag()).waiting == 0
    assert await seqs(store, ann, words="poison") == [1]


async def test_a_message_that_is_purged_meanwhile_stays_gone(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    gone, kept = await talk(store, ann, "gone"), await talk(store, ann, "kept", " \n ")
    queue = PostgresEmbeddingQueue(database)
    claimed = await queue.claim(10)
    await fetch(database, b"DELETE FROM conversations WHERE id = %s::uuid", gone)
    await queue.keep({one.message_id: [bag(one.text)] for one in claimed}, ENCODER)
    rows = await fetch(database, b"SELECT DISTINCT conversation_id::text FROM message_embeddings")
    assert rows == [(kept,)]
    assert (await queue.lag()).waiting == 0


async def test_a_message_of_blanks_has_nothing_to_embed(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    await talk(store, ann, " \n ")
    await embed_all(database)
    assert (await PostgresEmbeddingQueue(database).lag()).waiting == 0
    assert await fetch(database, b"SELECT count(*) FROM message_embeddings") == [(0,)]


async def test_embedding_again_replaces_what_there_is(
    database: Database, store: PostgresConversations, ann: Owner
) -> None:
    made = await store.create(ann, new_conversation())
    message_id = (await store.append(ann, made.id, [said("hello")])).message_ids[0]
    queue = PostgresEmbeddingQueue(database)
    for encoder in ("old", "new"):
        await queue.keep({message_id: [bag("hello")], str(uuid4()): [bag("nobody's")]}, encoder)
    assert await fetch(database, b"SELECT piece, encoder FROM message_embeddings") == [(0, "new")]


async def test_a_message_without_a_word_waits_for_nothing(database: Database, ann: Owner) -> None:
    store = PostgresConversations(database)
    silent = NewMessage(said("").message)
    await store.create(ann, new_conversation([silent]))
    assert (await PostgresEmbeddingQueue(database).lag()).waiting == 0
