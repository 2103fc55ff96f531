"""Changes of conversations, told to other replicas and whoever else listens, over Redis.

Nothing rests on it: news may be lost or late, and Redis away. What is told lets caches drop what is old
before it is asked for, and devices look again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

CHANNEL = "polyvox:conversations"
DEADLINE_S = 0.05
MAX_PENDING = 1_000
"""Conversations whose news wait to be told. More are not told at all: Redis does not keep up."""

Heard = Callable[[str, int], None]
"""The conversation's id and its version."""


class Changed(Struct, frozen=True):
    conversation_id: str
    version: int


_decode = msgspec.json.Decoder(Changed).decode


def connect_news(url: str) -> Redis:
    """A client that gives up at once: there will be other news."""
    # So that a peer that vanished is noticed by who only listens.
    alive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=1.0, **alive)


class ConversationNews:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: dict[str, int] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, conversation_id: str, version: int) -> None:
        """Waits for nothing and raises nothing."""
        if len(self._pending) < MAX_PENDING:
            self._pending[conversation_id] = version
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self._tell_all())

    async def listen(self, heard: Heard) -> None:
        """Until the connection breaks, which raises RedisError: then listen again."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(CHANNEL)
            async with aclosing(_messages(subscription.listen())) as messages:
                async for data in messages:
                    try:
                        news = _decode(data)
                    except msgspec.DecodeError:
                        log.warning("what was said on %s is no news", CHANNEL)
                        continue
                    heard(news.conversation_id, news.version)

    async def settle(self) -> None:
        """Wait for what is being told."""
        while self._telling is not None:
            await asyncio.wait([self._telling])

    async def _tell_all(self) -> None:
        """Together what came meanwhile. What cannot be told is forgotten, and the next news tries anew."""
        try:
            while self._pending:
                news, self._pending = self._pending, {}
                async with asyncio.timeout(DEADLINE_S), self._redis.pipeline(transaction=False) as pipeline:
                    for conversation_id, version in news.items():
                        pipeline.publish(CHANNEL, msgspec.json.encode(Changed(conversation_id, version)))
                    await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._pending.clear()
            log.debug("changes of conversations were not told: %s", error)
        finally:
            self._telling = None


async def _messages(heard: AsyncIterator[dict[str, object]]) -> AsyncGenerator[bytes, None]:
    async for message in heard:
        if isinstance(message["data"], bytes):
            yield message["data"]
