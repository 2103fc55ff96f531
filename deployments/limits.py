"""The limits' counters in Redis, and what providers have left of theirs, told from replica to replica."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha1

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from models.limits.counters import Ask, CountersAway, Grant, Hold
from models.limits.headroom import Headroom, Left
from models.limits.holdings import PLACES_S

DEADLINE_S = 0.1
"""For an exchange, on a connection that is there; a machine that is busy may be late by half of it."""
REACH_S = 1.0
MAX_CONNECTIONS = 4
SEEN_S = 6.0
"""A replica that has not been heard of for so long shares nothing any more."""

_COUNTS = 4
_UNKNOWN_REPLICAS = 4
"""Are taken for granted where Redis was away from the start."""

_REPLICAS = "limits:replicas"
_HEADROOM = "limits:headroom"
_HEADROOM_S = 600

TAKE = """
local time = redis.call('TIME')
local now = (time[1] - 1767225600) * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local credit, need, sure, want = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local window = burst * interval
local tat = (tonumber(redis.call('GET', KEYS[1])) or now) - credit * interval
tat = math.min(math.max(tat, now), now + 2 * window)
local left = math.max(0, math.floor((window - (tat - now)) / interval + 0.001))
local granted, retry = 0, 0
if left < need then
  retry = tat - now - window + need * interval
else
  granted = math.min(left, math.max(sure, need, math.min(want, math.floor(left / 4))))
  tat = tat + granted * interval
end
if tat > now then
  redis.call('SET', KEYS[1], string.format('%.17g', tat), 'PX',
    string.format('%.0f', (tat - now) / 1000 + 1))
else
  redis.call('DEL', KEYS[1])
end
return {string.format('%.0f', granted), string.format('%.0f', left - granted),
  string.format('%.17g', tat - now), string.format('%.17g', retry)}
"""
"""`models.limits.counters.take`, by the server's clock. Numbers are texts: in replies they would be cut."""

HOLD = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, most, kept = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local sure, want, ttl = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local others = 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local places, until_ms = string.match(held[i + 1], '^(%d+) (%d+)$')
  if tonumber(until_ms) <= now then
    redis.call('HDEL', KEYS[1], held[i])
  elseif held[i] ~= me then
    others = others + tonumber(places)
  end
end
local free = most - others - kept
local extra = math.max(sure - kept, math.min(want - kept, math.floor(free / 4)))
local mine = kept + math.max(0, math.min(free, extra))
if mine > 0 then
  redis.call('HSET', KEYS[1], me, string.format('%d %d', mine, now + ttl))
  redis.call('PEXPIRE', KEYS[1], ttl)
else
  redis.call('HDEL', KEYS[1], me)
end
return {string.format('%.0f', mine), string.format('%.0f', math.max(0, most - others - mine))}
"""
"""`models.limits.counters.hold`; the places of a replica that died are free again after a while."""


_TAKE_SHA, _HOLD_SHA = (sha1(text.encode(), usedforsecurity=False).hexdigest() for text in (TAKE, HOLD))


class RedisCounters:
    """`replica` is a name that no other replica has. `run_once` is the job that says that it is there."""

    def __init__(
        self, url: str, *, replica: str, places_s: float = PLACES_S, deadline_s: float = DEADLINE_S
    ) -> None:
        self._redis = connect(url)
        self._replica = replica
        self._deadline_s = deadline_s
        self._places_ms = round(places_s * 1000)
        self._seen: deque[int] = deque(maxlen=_COUNTS)

    @property
    def replicas(self) -> int:
        """How many there are, as far as is known: the most of the last few counts, for an emptied Redis has
        to be told of them all again."""
        return max(self._seen, default=_UNKNOWN_REPLICAS)

    async def exchange(self, asks: Sequence[Ask | Hold]) -> Sequence[Grant]:
        try:
            async with asyncio.timeout(self._deadline_s):
                try:
                    rows = await self._run(asks)
                except NoScriptError:
                    await self._load()
                    rows = await self._run(asks)
        except (RedisError, OSError, TimeoutError) as error:
            raise CountersAway from error
        return [_grant(row) for row in rows]

    async def reach(self) -> None:
        """Raises CountersAway. Connects, if need be, in its own time."""
        try:
            async with asyncio.timeout(REACH_S):
                await self._load()
        except (RedisError, OSError, TimeoutError) as error:
            raise CountersAway from error

    async def run_once(self) -> None:
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(REACH_S):
                seconds, _ = await self._redis.time()
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.zadd(_REPLICAS, {self._replica: seconds})
                    pipe.zremrangebyscore(_REPLICAS, "-inf", seconds - SEEN_S)
                    pipe.zcard(_REPLICAS)
                    *_, replicas = await pipe.execute()
                self._seen.append(replicas)

    async def close(self) -> None:
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                await self._redis.zrem(_REPLICAS, self._replica)
        await self._redis.aclose()

    async def _run(self, asks: Sequence[Ask | Hold]) -> Sequence[Sequence[bytes]]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for ask in asks:
                if isinstance(ask, Ask):
                    args = (repr(ask.interval_us), ask.burst, ask.credit, ask.need, ask.sure, ask.want)
                    pipe.evalsha(_TAKE_SHA, 1, ask.key, *args)
                else:
                    places = (ask.most, ask.kept, ask.sure, ask.want, self._places_ms)
                    pipe.evalsha(_HOLD_SHA, 1, ask.key, self._replica, *places)
            rows: Sequence[Sequence[bytes]] = await pipe.execute()
            return rows

    async def _load(self) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.script_load(TAKE)
            pipe.script_load(HOLD)
            await pipe.execute()


class SharedHeadroom:
    """Tells the other replicas what providers have said of their limits, and hears of it from them."""

    def __init__(self, url: str, headroom: Headroom) -> None:
        self._redis = connect(url)
        self._headroom = headroom

    async def run_once(self) -> None:
        """Where Redis is away everybody goes by what they have seen themselves."""
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(REACH_S):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for key, left in self._headroom.news().items():
                        pipe.hset(_HEADROOM, key, _encode(left))
                    pipe.expire(_HEADROOM, _HEADROOM_S)
                    pipe.hgetall(_HEADROOM)
                    *_, told = await pipe.execute()
                stale = self._headroom.hear(_decoded(told))
                if stale:
                    await self._redis.hdel(_HEADROOM, *stale)

    async def close(self) -> None:
        await self._redis.aclose()


_encode = msgspec.msgpack.Encoder().encode
_left = msgspec.msgpack.Decoder(Left).decode


def connect(url: str) -> Redis:
    return Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=REACH_S, max_connections=MAX_CONNECTIONS
    )


def _grant(row: Sequence[bytes]) -> Grant:
    granted, remaining, *more = row
    return Grant(int(granted), int(remaining), *map(float, more))


def _decoded(told: Mapping[bytes, bytes]) -> dict[str, Left]:
    found = {}
    for key, value in told.items():
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            found[key.decode()] = _left(value)
    return found
