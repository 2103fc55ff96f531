"""Live performance over a real Redis: replicas agree, and without it each knows its own."""

import msgspec
import pytest

from deployments.local.keeper import Keeper
from models.conversations import connect_news
from models.routing.performance import LivePerformance, ModelStatus, Sample
from models.routing.shared_performance import SharedPerformance
from tests.services.conftest import url_of_valkey

OK = Sample(model_id="m", ending="ok", first_token_ms=400, response_ms=1_400, output_tokens=100)
FAILED = Sample(model_id="n|odd", ending="failed")


async def test_replicas_know_together_what_each_has_seen(valkey: Keeper) -> None:
    now = 1_000_000.0
    async with connect_news(url_of_valkey(valkey)) as redis:
        lives = [LivePerformance(lambda: now) for _ in range(4)]
        shared = [SharedPerformance(redis, live, clock=lambda: now) for live in lives]
        for at, live in enumerate(lives):
            for _ in range(at + 1):
                live.record(OK)
            live.record(FAILED)
        for _ in range(2):
            for one in shared:
                await one.run_once()
        told = [live.measured() for live in lives]
        assert told == [told[0]] * 4
        assert told[0]["m"].calls == pytest.approx(10, rel=0.05)
        assert told[0]["n|odd"].error_rate == 1
        now += 200.0
        lives[0].record(OK)
        for one in shared:
            await one.run_once()
        assert lives[3].measured() == lives[0].measured()
        # One that has just started knows what the others do.
        young = LivePerformance(lambda: now)
        await SharedPerformance(redis, young, clock=lambda: now).run_once()
        assert young.measured() == lives[0].measured()
        status = young.check_model_availability("m")
        await shared[0].show(status)
        assert msgspec.json.decode(await redis.get("model:status:m") or b"", type=ModelStatus) == status


async def test_without_redis_each_knows_its_own(valkey: Keeper) -> None:
    async with connect_news(url_of_valkey(valkey)) as redis:
        live = LivePerformance(lambda: 1_000_000.0)
        shared = SharedPerformance(redis, live, clock=lambda: 1_000_000.0)
        live.record(OK)
        await shared.run_once()
        await valkey.stop()
        live.record(OK)
        await shared.run_once()
        assert live.measured()["m"].calls == pytest.approx(2, rel=0.05)
        await shared.show(live.check_model_availability("m"))
