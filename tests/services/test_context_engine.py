"""The context engine over a real PostgreSQL, in two processes' worth of engines on one database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from models.alerts import PostgresEventLog
from models.catalog import load_catalog
from models.chat import Message, Text, ToolCall, ToolResult
from models.context_engine import ContextEngine
from models.conversations import Histories, NewMessage, Owner, PostgresConversations, Producer, StoredMessage
from models.conversing import Interaction, Noted, Summary, SummaryDue, Switch, Turn
from models.errors import Conflict, NotFound, Overloaded
from models.store import Database
from tests.services.conversations import fetch, person
from tests.unit.conversations.specification import texts

CATALOG = load_catalog()
T = TypeVar("T")
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4-5"


@dataclass
class Replica:
    """An engine with a connection pool and a memory of its own."""

    database: Database
    owner: Owner

    def __post_init__(self) -> None:
        self.store = PostgresConversations(self.database)
        self.log = PostgresEventLog(self.database)
        self.engine = ContextEngine(
            self.store, Histories(self.store), catalog=lambda: CATALOG, events=self.log
        )

    async def sent(self, id: str, text: str, *, preserve: bool = True) -> list[str]:
        """What a model is sent with that message."""
        turn = Turn(
            owner=self.owner,
            conversation_id=id,
            branch=1,
            messages=(Message("user", (Text(text),)),),
            model_ids=(GPT,),
            preserve_context=preserve,
        )
        [variant] = (await self.engine.optimize_context(turn)).variants
        return [part.text for one in variant.messages for part in one.parts if isinstance(part, Text)]

    async def keep(self, id: str, *messages: Message, key: str = "") -> bool:
        """Whether it had been kept already."""
        said = tuple(
            NewMessage(one, Producer(model=GPT) if one.role == "assistant" else None) for one in messages
        )
        interaction = Interaction(
            owner=self.owner, conversation_id=id, branch=1, messages=said, key=key or str(uuid4())
        )
        return (await self.engine.update_context(interaction)).replayed

    async def turn(self, id: str, name: str, *, key: str = "") -> bool:
        asked, answered = Message("user", (Text(name),)), Message("assistant", (Text(f"re: {name}"),))
        return await self.keep(id, asked, answered, key=key)

    async def switch(self, id: str, to: str, *, preserve: bool = True, force: bool = False) -> float:
        switch = Switch(
            owner=self.owner, conversation_id=id, model_id=to, preserve_context=preserve, force=force
        )
        return (await self.engine.preserve_context(switch)).score

    async def open(self, id: str, *, create: bool = False) -> str | None:
        """Who is to go on."""
        return (await self.engine.open_conversation(self.owner, id, create=create)).model_id

    async def path(self, id: str) -> list[StoredMessage]:
        return await self.store.path(await self.store.get(self.owner, id))


@pytest.fixture
async def two(url: str, database: Database) -> AsyncIterator[tuple[Replica, Replica]]:
    other = Database(url, max_size=4)
    ann = await person(database)
    yield Replica(database, ann), Replica(other, ann)
    async with asyncio.timeout(10):
        await other.close()


Two = tuple[Replica, Replica]


async def test_what_one_replica_has_kept_the_other_sends(two: Two) -> None:
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    for number in range(4):
        one, other = two if number % 2 else two[::-1]
        await one.turn(id, f"q{number}")
        sent = await other.sent(id, "and?")
        assert sent == [t for n in range(number + 1) for t in (f"q{n}", f"re: q{n}")] + ["and?"]
    assert await there.open(id) == GPT


async def test_a_switch_at_one_replica_is_in_force_at_the_other_and_logged(two: Two) -> None:
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    await here.turn(id, "I am Ida.")
    assert await there.switch(id, CLAUDE, preserve=False) < 1
    assert await here.open(id) == CLAUDE
    assert await here.sent(id, "Who am I?") == ["Who am I?"]
    await here.turn(id, "hi")
    assert await here.switch(id, GPT) == 1.0
    assert await there.open(id) == GPT
    assert await there.sent(id, "Who am I?") == ["I am Ida.", "re: I am Ida.", "hi", "re: hi", "Who am I?"]
    back, forth = await here.log.page(here.owner.tenant_id, kind="conversation.model_switched")
    assert (forth.payload["from_model"], forth.payload["to_model"]) == (GPT, CLAUDE)
    assert (back.payload["from_model"], back.payload["to_model"]) == (CLAUDE, GPT)
    assert forth.payload["preserve_context"] is False
    assert back.subject == {"conversation_id": id, "user_id": here.owner.user_id}
    assert back.severity == "info"


async def test_tools_under_way_at_one_replica_lock_the_other(two: Two) -> None:
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    calls = Message("assistant", (ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")))
    await here.keep(id, Message("user", (Text("Look it up."),)), calls)
    with pytest.raises(Conflict):
        await there.switch(id, CLAUDE)
    results = Message("tool", (ToolResult("c1", (Text("one"),)), ToolResult("c2", (Text("two"),))))
    await there.keep(id, results, Message("assistant", (Text("done"),)))
    assert await here.switch(id, CLAUDE) == 1.0


async def test_a_turn_told_at_both_under_one_key_is_kept_once(two: Two) -> None:
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    told = await asyncio.gather(*(one.turn(id, "q", key="turn:req_1") for one in two * 4))
    assert sorted(told) == [False] + [True] * 7
    assert texts(await there.path(id)) == ["q", "re: q"]
    with pytest.raises(Conflict):
        await there.turn(id, "another", key="turn:req_1")


async def test_turns_at_both_at_once_are_all_kept_in_order(two: Two) -> None:
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    await asyncio.gather(*(two[n % 2].turn(id, f"q{n}") for n in range(20)))
    path = await there.path(id)
    said = texts(path)
    assert sorted(said[::2]) == sorted(f"q{n}" for n in range(20))
    assert said[1::2] == [f"re: {question}" for question in said[::2]]
    assert [one.seq for one in path] == list(range(1, 41))
    assert all(one.parent_id == before.id for before, one in pairwise(path))
    assert await here.sent(id, "and?") == [*said, "and?"] == await there.sent(id, "and?")


async def test_a_conversation_is_made_once_by_both(two: Two) -> None:
    id = str(uuid4())
    await asyncio.gather(*(one.open(id, create=True) for one in two * 4))
    assert await fetch(two[0].database, b"SELECT count(*) FROM conversations") == [(1,)]


async def test_others_do_not_have_it(two: Two, database: Database) -> None:
    here, _ = two
    id = str(uuid4())
    await here.open(id, create=True)
    await here.turn(id, "secret")
    strangers = [await person(database, "bob"), await person(database, "ann", tenant="another")]
    for stranger in strangers:
        theirs = Replica(database, stranger)
        with pytest.raises(NotFound):
            await theirs.open(id)
        with pytest.raises(NotFound):
            await theirs.open(id, create=True)
        with pytest.raises(NotFound):
            await theirs.sent(id, "What was said?")
        with pytest.raises(NotFound):
            await theirs.turn(id, "mine")
        with pytest.raises(NotFound):
            await theirs.switch(id, CLAUDE, force=True)
        assert await theirs.log.page(stranger.tenant_id, kind="conversation.model_switched") == []
    assert texts(await here.path(id)) == ["secret", "re: secret"]


async def test_notes_of_both_at_once_are_all_kept(two: Two) -> None:
    """A switch at one replica and a summary at the other do not undo each other."""
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    await here.turn(id, "We spoke of tides.")
    due = SummaryDue(conversation_id=id, branch=1, through=2, text="")
    summary = Summary(due=due, owner=here.owner, text="They spoke of tides.")
    for _ in range(5):
        taken, _ = await asyncio.gather(
            here.engine.take_summary(summary), there.switch(id, CLAUDE, preserve=False)
        )
        assert taken
        histories = Histories(here.store)
        noted = Noted.of(await histories.get_conversation_history(here.owner, id))
        assert (noted.model_id, noted.begins_after) == (CLAUDE, 2)
        assert noted.summary is not None
        await there.switch(id, GPT)


class Gone(Database):
    """Away while it `is_away`."""

    is_away = False

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        if self.is_away:
            raise Overloaded("the database is away")
        return await super().run(operation)


async def test_while_the_database_is_away_nothing_is_taken_for_kept(url: str, database: Database) -> None:
    gone = Gone(url, max_size=2)
    replica = Replica(gone, await person(database))
    id = str(uuid4())
    await replica.open(id, create=True)
    await replica.turn(id, "before")
    gone.is_away = True
    for act in (replica.open(id), replica.sent(id, "x"), replica.turn(id, "x"), replica.switch(id, CLAUDE)):
        with pytest.raises(Overloaded):
            await act
    gone.is_away = False
    assert texts(await replica.path(id)) == ["before", "re: before"]
    async with asyncio.timeout(10):
        await gone.close()


async def test_what_was_said_with_nul_and_every_script_comes_back(two: Two) -> None:
    here, there = two
    id = str(uuid4())
    await here.open(id, create=True)
    odd = "nul \0 and \u202e كتاب 汉字 🜁 \x1f"
    await here.keep(id, Message("user", (Text(odd),)), Message("assistant", ()))
    assert await there.sent(id, "and?") == [odd, "and?"]
