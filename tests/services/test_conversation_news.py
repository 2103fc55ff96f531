"""Changes of conversations are told over a real Redis, and nothing waits for it when it is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deployments.local.keeper import Keeper
from models.conversations import (
    ConversationNews,
    Histories,
    InMemoryConversations,
    Owner,
    connect_news,
    new_conversation,
)
from models.conversations.news import CHANNEL, MAX_PENDING
from tests.services.conftest import url_of_valkey
from tests.unit.conversations.specification import texts, turn

ANN = Owner(str(uuid4()), str(uuid4()))


@asynccontextmanager
async def listening(
    redis: Redis, heard: "asyncio.Queue[tuple[str, int]]"
) -> AsyncIterator[asyncio.Task[None]]:
    """Returns when the subscription is there."""
    task = asyncio.create_task(ConversationNews(redis).listen(lambda *news: heard.put_nowait(news)))
    while dict(await redis.pubsub_numsub(CHANNEL)) != {CHANNEL.encode(): 1}:
        assert not task.done()
        await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_one_replica_writes_another_hears_of(valkey: Keeper) -> None:
    heard: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    async with connect_news(url_of_valkey(valkey)) as here, connect_news(url_of_valkey(valkey)) as there:
        news = ConversationNews(here)
        store = InMemoryConversations(changed=news.tell)
        made = await store.create(ANN, new_conversation())
        async with listening(there, heard):
            await store.append(ANN, made.id, turn("a"))
            assert await asyncio.wait_for(heard.get(), 5) == (made.id, 2)
            await here.publish(CHANNEL, b"\xff not news")
            await here.publish(CHANNEL, b'{"version": 1}')
            await store.append(ANN, made.id, turn("b"))
            assert await asyncio.wait_for(heard.get(), 5) == (made.id, 3)
        await news.settle()


async def test_who_listens_is_told_that_the_connection_broke_and_can_listen_again(valkey: Keeper) -> None:
    heard: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
    async with connect_news(url_of_valkey(valkey)) as redis:
        async with listening(redis, heard) as task:
            await valkey.stop()
            with pytest.raises(RedisError):
                await asyncio.wait_for(task, 5)
        await valkey.start()
        async with listening(redis, heard):
            news = ConversationNews(redis)
            news.tell("c", 7)
            assert await asyncio.wait_for(heard.get(), 5) == ("c", 7)
            await news.settle()


@asynccontextmanager
async def black_hole(path: Path) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """A Redis that takes connections and never says a word."""
    taken: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_unix_server(take, path)
    try:
        yield taken
    finally:
        server.close()
        for writer in taken:
            writer.close()
        await server.wait_closed()


@pytest.mark.parametrize("is_there", [False, True], ids=["away", "mute"])
async def test_p15_a_redis_that_is_away_or_mute_costs_nothing(tmp_path: Path, is_there: bool) -> None:
    socket = tmp_path / "redis.sock"
    async with black_hole(socket if is_there else tmp_path / "another") as taken:
        async with connect_news(f"unix://{socket}") as redis:
            news = ConversationNews(redis)
            store = InMemoryConversations(changed=news.tell)
            async with asyncio.timeout(10):
                for number in range(20):
                    made = await store.create(ANN, new_conversation())
                    await store.append(ANN, made.id, turn(str(number)))
                    await news.settle()
                for number in range(2 * MAX_PENDING):
                    news.tell(str(number), 1)
                await news.settle()
            assert len(taken) == (21 if is_there else 0)
        history = await Histories(store).get_conversation_history(ANN, made.id)
        assert texts(history.messages) == ["19", "re: 19"]
