"""Open breakers are told from replica to replica over a real Redis, which nobody needs."""

import time

import msgspec

from deployments.local.keeper import Keeper
from models.breaker import IN_A_ROW
from models.breakers import Breakers
from models.conditions import Conditions, ModelCondition
from models.conversations import connect_news
from models.shared_breakers import HINTS, SharedBreakers
from tests.services.conftest import url_of_valkey


def opened(*model_ids: str) -> Breakers:
    breakers = Breakers()
    for model_id in model_ids:
        for _ in range(IN_A_ROW):
            breakers.of(model_id).enter(slow_after_s=1).fails()
    return breakers


async def test_others_hear_of_an_open_breaker_and_of_its_closing(valkey: Keeper) -> None:
    async with connect_news(url_of_valkey(valkey)) as redis:
        mine, others = opened("m"), Breakers()
        sharing, hearing = SharedBreakers(redis, mine), SharedBreakers(redis, others)
        await sharing.run_once()
        await hearing.run_once()
        assert 3 < others.of("m").hinted_s <= 6
        assert others.of("m").state == "closed"
        assert mine.of("m").hinted_s == 0  # nobody hears of itself
        mine.of("m").enter(slow_after_s=1).begins()  # the probe
        await sharing.run_once()
        assert await redis.hgetall(HINTS) == {}


async def test_what_is_over_or_makes_no_sense_is_heard_by_nobody(valkey: Keeper) -> None:
    async with connect_news(url_of_valkey(valkey)) as redis:
        now = time.time()
        for key, said in ((b"old", now - 1), (b"\xff", now + 5), (b"far", now + 10**6)):
            await redis.hset(HINTS, key, said)
        await redis.hset(HINTS, "odd", "soon")
        others = Breakers()
        await SharedBreakers(redis, others).run_once()
        assert others.known("old") is None
        assert others.known("odd") is None
        assert others.of("far").hinted_s <= 60
        assert await redis.hexists(HINTS, "old") == 0


async def test_statuses_are_there_for_all_who_look(valkey: Keeper) -> None:
    async with connect_news(url_of_valkey(valkey)) as redis:
        conditions = Conditions(breakers=opened("m"))
        statuses = [conditions.status(model_id) for model_id in ("m", "n")]
        await SharedBreakers(redis, conditions.breakers, statuses=lambda: statuses).run_once()
        shown = [
            msgspec.json.decode(await redis.get(f"model:status:{id}") or b"", type=ModelCondition)
            for id in ("m", "n")
        ]
        assert shown == statuses
        assert [(one.state, one.breaker) for one in shown] == [
            ("unavailable", "open"),
            ("available", "closed"),
        ]
        assert 0 < await redis.ttl("model:status:m") <= 60


async def test_without_redis_each_goes_by_what_it_has_seen(valkey: Keeper) -> None:
    async with connect_news(url_of_valkey(valkey)) as redis:
        mine = opened("m")
        sharing = SharedBreakers(redis, mine)
        await sharing.run_once()
        await valkey.stop()
        await sharing.run_once()
        assert mine.of("m").wait_s() > 0
