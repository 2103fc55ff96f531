"""Conversations in PostgreSQL: what those in memory do, many writers at once, and connections that break."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from random import Random
from typing import TypeVar

import psycopg
import pytest
from psycopg import AsyncConnection, OperationalError, sql

from models.conversations import (
    ConversationStore,
    Fork,
    Owner,
    PostgresConversations,
    Written,
    new_conversation,
)
from models.errors import Conflict, Overloaded
from models.store import Database, load_queries, migrate
from tests.services.conftest import Server
from tests.services.conversations import fetch, person
from tests.unit.conversations.specification import Specification, said, texts, turn

T = TypeVar("T")


@pytest.fixture(scope="module")
def shared_url(server: Server) -> Iterator[str]:
    """A database for all of the specification: each test has tenants of its own in it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        asyncio.run(migrate(server.url(name)))
        yield server.url(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def shared(shared_url: str) -> AsyncIterator[Database]:
    opened = Database(shared_url, max_size=4)
    yield opened
    async with asyncio.timeout(10):
        await opened.close()


class TestPostgresConversations(Specification):
    @pytest.fixture
    async def store(self, shared: Database) -> ConversationStore:
        return PostgresConversations(shared)

    @pytest.fixture
    async def people(self, shared: Database) -> dict[str, Owner]:
        acme, other = secrets.token_hex(4), secrets.token_hex(4)
        ann, bob = await person(shared, "ann", tenant=acme), await person(shared, "bob", tenant=acme)
        eve = await person(shared, "eve", tenant=other)
        return {"ann": ann, "bob": bob, "eve": eve, "root": Owner(ann.tenant_id)}


class Breaking(Database):
    """Loses so many connections after the work was committed and before that is known."""

    losses = 0

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def broken(connection: AsyncConnection) -> T:
            result = await operation(connection)
            if self.losses:
                self.losses -= 1
                await connection.close()
                raise OperationalError("the connection was lost")
            return result

        return await super().run(broken)


@pytest.fixture
async def breaking(url: str) -> AsyncIterator[Breaking]:
    opened = Breaking(url, max_size=4)
    yield opened
    async with asyncio.timeout(10):
        await opened.close()


@pytest.mark.parametrize("losses", [1, 2])
async def test_what_was_committed_when_the_connection_broke_is_written_once(
    breaking: Breaking, losses: int
) -> None:
    """Once lost the store finds out by itself; lost again the caller does, and tries again with its key."""
    ann, store = await person(breaking), PostgresConversations(breaking)

    async def losing(write: Callable[[], Awaitable[T]]) -> T:
        breaking.losses = losses
        while True:
            try:
                return await write()
            except Overloaded:
                assert losses == 2

    new = new_conversation(turn("a"))
    made = await losing(lambda: store.create(ann, new))
    appended = await losing(lambda: store.append(ann, made.id, turn("b"), key="k1", expected_version=1))
    first = (await store.path(made))[0]
    forked = await losing(lambda: store.fork(ann, made.id, Fork(instead_of=first.id), turn("A"), key="k2"))
    assert (appended.version, appended.replayed, forked.version, forked.replayed) == (2, True, 3, True)
    now = await store.get(ann, made.id)
    assert (now.version, now.branches, now.messages) == (3, 2, 6)
    assert texts(await store.path(now, 1)) == ["a", "re: a", "b", "re: b"]


async def test_writers_are_told_of_once_and_after_the_commit(database: Database) -> None:
    told: list[tuple[str, int]] = []
    ann = await person(database)
    store = PostgresConversations(database, changed=lambda *news: told.append(news))
    made = await store.create(ann, new_conversation())
    await store.append(ann, made.id, turn("a"), key="k")
    await store.append(ann, made.id, turn("a"), key="k")
    with pytest.raises(Conflict):
        await store.append(ann, made.id, turn("b"), expected_version=1)
    await store.delete(ann, made.id)
    assert told == [(made.id, 2), (made.id, 3)]


async def test_a_writer_that_stops_half_way_holds_up_others_for_two_seconds(
    database: Database, url: str
) -> None:
    ann, store = await person(database), PostgresConversations(database)
    made = await store.create(ann, new_conversation())
    whose = {"id": made.id, "tenant_id": ann.tenant_id, "user_id": ann.user_id}
    async with await AsyncConnection.connect(url) as stopped:
        await stopped.execute(load_queries("conversations")["lock"], whose)
        async with asyncio.timeout(4):
            await store.append(ann, made.id, turn("a"))
        with pytest.raises(psycopg.Error, match="idle-in-transaction"):
            await stopped.execute("SELECT 1")


class Client:
    """Says one thing after the other, and tries each again, under the key it had, until it is told."""

    def __init__(self, store: PostgresConversations, owner: Owner, conversation_id: str, name: str) -> None:
        self._store = store
        self._owner = owner
        self._conversation_id = conversation_id
        self.name = name
        self.conflicts = 0

    async def talk(self, turns: int, *, careful: bool, random: Random) -> None:
        for number in range(turns):
            written = await self._say(f"{self.name}/{number}", careful=careful)
            if random.random() < 0.2:  # as if the answer had not arrived
                again = await self._write(f"{self.name}/{number}", expected_version=None)
                assert (again.version, again.message_ids) == (written.version, written.message_ids)

    async def _say(self, text: str, *, careful: bool) -> Written:
        while True:
            try:
                seen = await self._store.get(self._owner, self._conversation_id) if careful else None
                return await self._write(text, expected_version=None if seen is None else seen.version)
            except Conflict:
                self.conflicts += 1
            except Overloaded:
                pass

    async def _write(self, text: str, *, expected_version: int | None) -> Written:
        while True:
            try:
                return await self._store.append(
                    self._owner,
                    self._conversation_id,
                    turn(text),
                    expected_version=expected_version,
                    key=text,
                )
            except Overloaded:
                pass


async def cut(url: str, done: asyncio.Event, random: Random) -> int:
    """Ends one connection of the store after the other, whatever it is doing."""
    victims = (
        b"SELECT pid FROM pg_stat_activity"
        b" WHERE application_name = 'polyvox' AND datname = current_database()"
    )
    for number in count():
        async with await AsyncConnection.connect(
            url, autocommit=True, application_name="cutter"
        ) as connection:
            pids = [pid for (pid,) in await (await connection.execute(victims)).fetchall()]
            if pids:
                await connection.execute(b"SELECT pg_terminate_backend(%s)", [random.choice(pids)])
        if done.is_set():
            return number
        await asyncio.sleep(0.02)
    raise AssertionError


@pytest.mark.parametrize("is_cut", [False, True], ids=["in peace", "with connections cut"])
async def test_nothing_is_lost_doubled_or_reordered_among_40_clients_of_10_conversations(
    url: str, is_cut: bool
) -> None:
    random, done = Random(7), asyncio.Event()  # noqa: S311
    replicas = [Database(url, max_size=4, acquire_timeout_s=10.0) for _ in range(3)]
    ann = await person(replicas[0])
    stores = [PostgresConversations(database) for database in replicas]
    made = [
        (await stores[0].create(ann, new_conversation([said("be brief", "system")]))).id for _ in range(10)
    ]
    clients = [Client(stores[n % 3], ann, made[n % 10], str(n)) for n in range(40)]
    turns = 8
    cutter = asyncio.create_task(cut(url, done, random)) if is_cut else None
    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            group.create_task(client.talk(turns, careful=number % 2 == 0, random=random))
    done.set()
    assert cutter is None or await cutter > 0
    for conversation_id in made:
        now = await stores[1].get(ann, conversation_id)
        path = await stores[1].path(now)
        assert [one.seq for one in path] == list(range(1, len(path) + 1))
        assert [one.parent_id for one in path[1:]] == [one.id for one in path[:-1]]
        assert now.messages == len(path) == 1 + 2 * 4 * turns
        assert now.version == 1 + 4 * turns
        questions = texts(path)[1::2]
        assert texts(path)[2::2] == [f"re: {question}" for question in questions]
        assert Counter(questions).most_common(1)[0][1] == 1
        for client in clients:
            own = [question for question in questions if question.split("/")[0] == client.name]
            assert own == ([f"{client.name}/{n}" for n in range(turns)] if own else [])
    if not is_cut:
        assert sum(client.conflicts for client in clients) > 0
    for database in replicas:
        await database.close()


async def test_a_reader_never_sees_half_a_turn(database: Database) -> None:
    ann, store = await person(database), PostgresConversations(database)
    made = await store.create(ann, new_conversation())

    async def write() -> None:
        for number in range(30):
            await store.append(ann, made.id, turn(str(number)))

    async def read() -> None:
        while (now := await store.get(ann, made.id)).messages < 60:
            path = await store.path(now)
            assert len(path) == now.messages == 2 * (now.version - 1)

    await asyncio.gather(write(), read(), read())


async def test_everything_of_a_message_is_in_its_row(database: Database) -> None:
    ann, store = await person(database), PostgresConversations(database)
    made = await store.create(ann, new_conversation())
    await store.append(ann, made.id, [said("Running shoes", model="m")], key="k")
    (row,) = await fetch(
        database,
        b"SELECT role, text, words::text, content ->> 'role', idempotency_key, tenant_id::text, user_id::text"
        b" FROM messages WHERE conversation_id = %s::uuid",
        made.id,
    )
    assert row == ("user", "Running shoes", "'run':1 'shoe':2", "user", "k", ann.tenant_id, ann.user_id)
