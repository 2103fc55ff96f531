"""Questions by what they mean, in a real PostgreSQL: only the owner's, in one scope, the nearest first."""

import asyncio
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from models.caching import Invalidation, Owner, PostgresSimilar, Question, SimilarAnswers
from models.caching.kept import Cached
from models.chat import ChatResponse, Text, Usage
from models.conversations import Vector
from models.errors import Overloaded
from models.store import Database
from tests.services.conftest import Server

ANN, BOB, ELSEWHERE = (Owner(str(uuid4()), str(uuid4())) for _ in range(3))
COLLEAGUE = Owner(ANN.tenant_id, BOB.user_id)
SCOPE, OTHER_SCOPE = b"s" * 32, b"o" * 32
ENCODER = "e"


def vector(*near: float, encoder: str = ENCODER, seed: int = 0) -> Vector:
    """A unit vector, `near` its first numbers, the rest random."""
    rest = np.random.default_rng(seed).normal(size=384 - len(near)) * (0.0 if near else 1.0)
    values = np.array([*near, *rest])
    return Vector(tuple((values / np.linalg.norm(values)).tolist()), encoder)


def question(name: str, *, scope: bytes = SCOPE) -> Question:
    return Question(scope, name.encode().ljust(32, b"."), name)


async def put(
    store: PostgresSimilar,
    name: str,
    at: Vector,
    owner: Owner = ANN,
    *,
    scope: bytes = SCOPE,
    model: str = "gpt",
    ttl_s: int = 60,
) -> None:
    sealed = f"sealed {name}".encode()
    await store.put(owner, question(name, scope=scope), at, model_id=model, sealed=sealed, ttl_s=ttl_s)


async def near(
    store: PostgresSimilar,
    at: Vector,
    owner: Owner = ANN,
    *,
    scope: bytes = SCOPE,
    least: float = 0.8,
    limit: int = 3,
) -> list[str]:
    found = await store.near(owner, scope, at, least=least, limit=limit)
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    return [one.sealed.decode().removeprefix("sealed ") for one in found]


@pytest.mark.parametrize("exact", [500, 0], ids=["all", "by the index"])
async def test_the_nearest_are_found_first_and_no_others(database: Database, exact: int) -> None:
    store = PostgresSimilar(database, exact=exact)
    for name, at in (("a", vector(1, 0)), ("b", vector(1, 0.2)), ("c", vector(1, 0.5)), ("d", vector(0, 1))):
        await put(store, name, at)
    assert await near(store, vector(1, 0.01)) == ["a", "b", "c"]
    assert await near(store, vector(1, 0.01), limit=1) == ["a"]
    assert await near(store, vector(1, 0.01), least=0.99) == ["a"]
    assert await near(store, vector(-1, 0)) == []
    await put(store, "a", vector(0, 1))
    assert await near(store, vector(1, 0.01), limit=5) == ["b", "c"], "told again it is moved"


@pytest.mark.parametrize("exact", [500, 0], ids=["all", "by the index"])
async def test_t4_with_anothers_very_vector_nothing_of_theirs_is_found(
    database: Database, exact: int
) -> None:
    store = PostgresSimilar(database, exact=exact)
    at = vector(1, 0)
    for number in range(30):
        for owner in (BOB, COLLEAGUE, ELSEWHERE):
            await put(store, f"{number}", at, owner)
        await put(store, f"o{number}", at, scope=OTHER_SCOPE)
        await put(store, f"e{number}", vector(1, 0, encoder="another"))
    assert await near(store, at, limit=1_000) == []
    await put(store, "own", at)
    assert await near(store, at, limit=1_000) == ["own"]


async def test_the_index_finds_the_owners_among_many_of_others(database: Database) -> None:
    store = PostgresSimilar(database, exact=0)
    for number in range(200):
        await put(store, f"b{number}", vector(1, number / 2_000), BOB)
    await put(store, "own", vector(1, 0.3))
    assert await near(store, vector(1, 0)) == ["own"]


async def test_what_is_invalid_or_too_old_or_too_much_goes(database: Database, url: str) -> None:
    store = PostgresSimilar(database, max_of_user=3)
    at = vector(1, 0)

    async def all_of(owner: Owner) -> set[str]:
        return set(await near(store, at, owner, limit=100))

    for number in range(5):
        await put(store, f"{number}", at, model="gpt" if number % 2 else "claude")
    await put(store, "bobs", at, COLLEAGUE)
    await store.trim(ANN)
    assert (await all_of(ANN), await all_of(COLLEAGUE)) == ({"2", "3", "4"}, {"bobs"})
    await store.invalidate(Invalidation(ANN.tenant_id, model_id="claude"))
    assert (await all_of(ANN), await all_of(COLLEAGUE)) == ({"3"}, {"bobs"})
    await store.invalidate(Invalidation(ELSEWHERE.tenant_id))
    await store.invalidate(Invalidation(ANN.tenant_id, user_id=ANN.user_id))
    assert (await all_of(ANN), await all_of(COLLEAGUE)) == (set(), {"bobs"})
    await store.invalidate(Invalidation(ANN.tenant_id))
    assert await all_of(COLLEAGUE) == set()
    await put(store, "old", at)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("UPDATE semantic_cache SET expires_at = now() - interval '1 s'")
        assert await all_of(ANN) == set()
        await store.sweep()
        assert await (await connection.execute("SELECT FROM semantic_cache")).fetchall() == []


async def test_with_the_database_away_nothing_is_found_and_nothing_raised(server: Server) -> None:
    database = Database(server.url("no_such_database"), acquire_timeout_s=0.2)

    async def embed(_: str) -> Vector:
        return vector(1, 0)

    store = PostgresSimilar(database)
    similar = SimilarAnswers(store, embed, secret=b"s", mode="on")
    response = ChatResponse(id="i", model="m", parts=(Text("hi"),), finish="stop", usage=Usage())
    async with asyncio.timeout(10):
        assert (await similar.look(ANN, question("q"))).known is None
        await similar.keep(ANN, question("q"), vector(1, 0), Cached("gpt", response), ttl_s=60)
        with pytest.raises(Overloaded):
            await store.invalidate(Invalidation(ANN.tenant_id))
    await database.close()
