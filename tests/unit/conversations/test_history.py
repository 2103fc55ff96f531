"""Histories in memory: never older than the store, never somebody else's, and no larger than they may be."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from models.conversations import (
    Change,
    Conversation,
    Fork,
    Histories,
    InMemoryConversations,
    Owner,
    StoredMessage,
    new_conversation,
)
from models.errors import NotFound
from tests.unit.conversations.specification import said, texts, turn

ANN = Owner(str(uuid4()), str(uuid4()))


class Watched(InMemoryConversations):
    """Remembers which reads it was asked for, and may hold one back."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def path(
        self, conversation: Conversation, branch: int | None = None, *, after: int = 0, **rest: Any
    ) -> list[StoredMessage]:
        self.reads.append(after)
        path = await super().path(conversation, branch, after=after, **rest)
        await self.may_answer.wait()
        return path


@pytest.fixture
def store() -> Watched:
    return Watched()


@pytest.fixture
def histories(store: Watched) -> Histories:
    return Histories(store)


async def test_what_is_in_memory_is_not_read_again(store: Watched, histories: Histories) -> None:
    made = await store.create(ANN, new_conversation(turn("a")))
    for _ in range(3):
        history = await histories.get_conversation_history(ANN, made.id)
        assert texts(history.messages) == ["a", "re: a"]
    assert store.reads == [0]


async def test_a_read_after_a_write_sees_it_without_any_news(store: Watched, histories: Histories) -> None:
    made = await store.create(ANN, new_conversation(turn("a")))
    await histories.get_conversation_history(ANN, made.id)
    await store.append(ANN, made.id, turn("b"))
    history = await histories.get_conversation_history(ANN, made.id)
    assert texts(history.messages) == ["a", "re: a", "b", "re: b"]
    assert history.conversation.version == 2
    assert store.reads == [0, 2]  # only what is new


async def test_each_branch_is_kept_for_itself(store: Watched, histories: Histories) -> None:
    made = await store.create(ANN, new_conversation(turn("a")))
    first = (await histories.get_conversation_history(ANN, made.id)).messages[0]
    await store.fork(ANN, made.id, Fork(instead_of=first.id), turn("A"))
    assert texts((await histories.get_conversation_history(ANN, made.id)).messages) == ["A", "re: A"]
    other = await histories.get_conversation_history(ANN, made.id, branch=1)
    assert (other.branch, texts(other.messages)) == (1, ["a", "re: a"])
    await store.change(ANN, made.id, Change(head=1))
    assert texts((await histories.get_conversation_history(ANN, made.id)).messages) == ["a", "re: a"]


async def test_nobody_sees_another_ones_and_nobody_what_is_deleted(
    store: Watched, histories: Histories
) -> None:
    made = await store.create(ANN, new_conversation(turn("a")))
    await histories.get_conversation_history(ANN, made.id)
    with pytest.raises(NotFound):
        await histories.get_conversation_history(Owner(ANN.tenant_id, str(uuid4())), made.id)
    await store.delete(ANN, made.id)
    with pytest.raises(NotFound):
        await histories.get_conversation_history(ANN, made.id)


async def test_a_read_that_is_overtaken_takes_nothing_back(store: Watched, histories: Histories) -> None:
    made = await store.create(ANN, new_conversation(turn("a")))
    store.may_answer.clear()
    slow = asyncio.create_task(histories.get_conversation_history(ANN, made.id))
    while not store.reads:
        await asyncio.sleep(0)
    await store.append(ANN, made.id, turn("b"))
    quick = asyncio.create_task(histories.get_conversation_history(ANN, made.id))
    while len(store.reads) < 2:
        await asyncio.sleep(0)
    store.may_answer.set()
    assert len((await quick).messages) == 4
    assert len((await slow).messages) == 2  # of the version that it is of
    assert len((await histories.get_conversation_history(ANN, made.id)).messages) == 4


async def test_memory_is_bounded_and_what_was_read_last_stays(store: Watched) -> None:
    histories = Histories(store, max_bytes=8_000)
    made = [await store.create(ANN, new_conversation([said("x" * 2_000)])) for _ in range(4)]
    for conversation in made:
        await histories.get_conversation_history(ANN, conversation.id)
    store.reads.clear()
    for conversation in made[::-1]:
        await histories.get_conversation_history(ANN, conversation.id)
    assert store.reads == [0]  # the first had to make room

    few = Histories(store, max_entries=1)
    for conversation in made[:2] * 2:
        await few.get_conversation_history(ANN, conversation.id)
    assert store.reads == [0] * 5


async def test_what_is_known_to_be_old_goes_first(store: Watched) -> None:
    histories = Histories(store, max_entries=2)
    first, second, third = [await store.create(ANN, new_conversation(turn("a"))) for _ in range(3)]
    await histories.get_conversation_history(ANN, first.id)
    await histories.get_conversation_history(ANN, second.id)
    histories.heard(second.id, 2)
    histories.heard(first.id, 1)
    await histories.get_conversation_history(ANN, third.id)
    store.reads.clear()
    await histories.get_conversation_history(ANN, first.id)
    assert store.reads == []


async def test_what_is_larger_than_the_memory_is_read_all_the_same(store: Watched) -> None:
    histories = Histories(store, max_bytes=100)
    made = await store.create(ANN, new_conversation([said("x" * 2_000)]))
    for _ in range(2):
        assert len((await histories.get_conversation_history(ANN, made.id)).messages) == 1
