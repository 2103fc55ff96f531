"""The response cache's store in Redis, and the news of what is not valid any more.

Redis is asked for a moment and by one exchange at a time, which takes all that has come meanwhile: so nobody
who leaves cuts an exchange in two, and a busy replica needs one connection. When it does not answer nobody
waits for it any more until it does.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from models.caching.invalidation import Invalidation, decode, encode
from models.caching.store import Found
from models.errors import Overloaded

log = logging.getLogger(__name__)

WAIT_S = 0.025
"""For an answer that may be there."""
DEADLINE_S = 0.05
"""For an exchange."""
REACH_S = 1.0
FAILURES = 2
"""In a row, and nobody waits any more: a single one may be our own being late."""
PROBE_EVERY_S = 0.25
MAX_PENDING = 1_000
MAX_BATCH = 64
MAX_MARKS = 1_000
"""Of a tenant. More make everything of it void: that is always right."""
MARKS_LAST_S = 7 * 24 * 3_600
"""Longer than any answer."""

CHANNEL = "polyvox:cache"
_MARKS = "model:response:void"

INVALIDATE = """
local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2]
local mark = ARGV[1]
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  mark = 'all'
end
redis.call('HSET', KEYS[1], mark, string.format('%.0f', at))
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
"""

_NOTHING = Found()


class _Get(NamedTuple):
    key: str
    tenant_id: str


class _Put(NamedTuple):
    key: str
    value: bytes
    ttl_s: int


_Ask = tuple[_Get | _Put, "asyncio.Future[Found]"]


class RedisCache:
    """Belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._redis = _connect(url, max_connections=4)
        self._invalidate = self._redis.register_script(INVALIDATE)
        self._pending: list[_Ask] = []
        self._exchanging: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._failures = 0

    @property
    def is_away(self) -> bool:
        return self._failures >= FAILURES

    async def get(self, key: str, *, tenant_id: str) -> Found:
        answer = self._ask(_Get(key, tenant_id))
        if answer is None:
            return _NOTHING
        try:
            async with asyncio.timeout(WAIT_S):
                return await asyncio.shield(answer)
        except TimeoutError:
            return _NOTHING

    async def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        answer = self._ask(_Put(key, value, ttl_s))
        if answer is not None:
            await asyncio.shield(answer)

    async def invalidate(self, what: Invalidation) -> None:
        marks = f"{_MARKS}:{what.tenant_id}"
        said: tuple[Any, ...] = (what.mark, MAX_MARKS, MARKS_LAST_S, CHANNEL, encode(what))
        try:
            async with asyncio.timeout(REACH_S):
                await self._invalidate(keys=[marks], args=said)
        except (RedisError, OSError, TimeoutError) as error:
            raise Overloaded("the response cache cannot be reached", retry_after_s=1.0) from error

    async def close(self) -> None:
        for task in (self._exchanging, self._probing):
            if task is not None:
                task.cancel()
        await self._redis.aclose()

    def _ask(self, what: _Get | _Put) -> "asyncio.Future[Found] | None":
        """None where it is not even tried."""
        if self.is_away:
            self._probe()
            return None
        if len(self._pending) >= MAX_PENDING:
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        self._pending.append((what, answer))
        if self._exchanging is None:
            self._exchanging = loop.create_task(self._exchange_all(), context=contextvars.Context())
        return answer

    async def _exchange_all(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending[:MAX_BATCH], self._pending[MAX_BATCH:]
                found: Sequence[Found] = [_NOTHING] * len(batch)
                try:
                    found = await self._exchange([what for what, _ in batch])
                finally:
                    _answer(batch, found)
                if self.is_away:
                    waiting, self._pending = self._pending, []
                    _answer(waiting, [_NOTHING] * len(waiting))
                    self._probe()
        finally:
            self._exchanging = None

    async def _exchange(self, batch: Sequence[_Get | _Put]) -> Sequence[Found]:
        try:
            async with asyncio.timeout(DEADLINE_S), self._redis.pipeline(transaction=False) as pipe:
                pipe.time()
                tenants = {one.tenant_id: None for one in batch if isinstance(one, _Get)}
                for tenant_id in tenants:
                    pipe.hgetall(f"{_MARKS}:{tenant_id}")
                for one in batch:
                    if isinstance(one, _Get):
                        pipe.get(one.key)
                    else:
                        pipe.set(one.key, one.value, ex=one.ttl_s)
                replies = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            self._failures += 1
            log.log(logging.WARNING if self.is_away else logging.INFO, "the response cache: %r", error)
            return [_NOTHING] * len(batch)
        self._failures = 0
        return _read(batch, list(tenants), replies)

    def _probe(self) -> None:
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(
                self._until_back(), context=contextvars.Context()
            )

    async def _until_back(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REACH_S):
                    await self._redis.ping()
                break
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(PROBE_EVERY_S)
        self._failures = 0
        log.warning("the response cache is back")


class CacheNews:
    """What other replicas have invalidated."""

    def __init__(
        self, url: str, *, heard: Callable[[Invalidation], None], missed: Callable[[], None]
    ) -> None:
        """`missed`: something may have been told while nobody listened."""
        # So that a peer that vanished is noticed by who only listens.
        alive = {} if url.startswith("unix:") else {"socket_keepalive": True}
        self._redis = _connect(url, max_connections=2, **alive)
        self._heard = heard
        self._missed = missed

    async def run_once(self) -> None:
        """A job: listens until the connection breaks."""
        with suppress(RedisError, OSError):
            async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.subscribe(CHANNEL)
                self._missed()
                async with aclosing(_messages(subscription.listen())) as messages:
                    async for data in messages:
                        try:
                            self._heard(decode(data))
                        except (msgspec.MsgspecError, UnicodeDecodeError):
                            log.warning("what was said on %s is no news", CHANNEL)

    async def close(self) -> None:
        await self._redis.aclose()


def _connect(url: str, *, max_connections: int, **options: Any) -> Redis:
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=REACH_S,
        max_connections=max_connections,
        **options,
    )


def _answer(asks: Sequence[_Ask], found: Sequence[Found]) -> None:
    for (_, answer), one in zip(asks, found, strict=True):
        if not answer.done():
            answer.set_result(one)


def _read(batch: Sequence[_Get | _Put], tenants: Sequence[str], replies: Sequence[Any]) -> list[Found]:
    """The time, the tenants' marks, and what was asked for: each may be an error of its own."""
    time, *rest = replies
    marks = dict(zip(tenants, rest, strict=False))
    return [
        _found(one, time, marks.get(one.tenant_id), reply) if isinstance(one, _Get) else _NOTHING
        for one, reply in zip(batch, rest[len(tenants) :], strict=True)
    ]


def _found(asked: _Get, time: Any, marks: Any, reply: Any) -> Found:
    for said in (time, marks, reply):
        if isinstance(said, ResponseError):
            log.info("the response cache: %s: %s", asked.key, said)
            return _NOTHING
    seconds, micros = time
    noted = {name.decode(): int(at) for name, at in marks.items()}
    return Found(reply if isinstance(reply, bytes) else None, noted, seconds * 1_000_000 + micros)


async def _messages(heard: AsyncIterator[dict[str, object]]) -> AsyncGenerator[bytes, None]:
    async for message in heard:
        if isinstance(message["data"], bytes):
            yield message["data"]
