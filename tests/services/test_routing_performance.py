"""Live performance over a real Redis: replicas agree, and without it each knows its own."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from deployments.local.home import Home
from deployments.local.keeper import Keeper
from deployments.local.processes import sweep
from deployments.local.unprivileged import Account
from deployments.local.valkey import Valkey
from models.conversations import connect_news
from models.routing.performance import LivePerformance, ModelStatus, Sample
from models.routing.shared_performance import SharedPerformance


@pytest.fixture
def home() -> Iterator[Home]:
    """Not below pytest's own directory: that is private, and the server's account has to reach it."""
    path = Path(tempfile.mkdtemp(prefix="polyvox-test-"))
    path.chmod(0o711)
    home = Home.open(path)
    yield home
    sweep(home, grace_s=1)
    for directory in (path, home.run_dir()):
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def valkey(home: Home) -> AsyncIterator[Keeper]:
    keeper = Keeper(Valkey(home, Account.for_servers()), home=home, say=lambda _text: None)
    await keeper.start()
    yield keeper
    await keeper.stop()


def url_of(valkey: Keeper) -> str:
    assert isinstance(valkey.service, Valkey)
    return valkey.service.url


OK = Sample(model_id="m", ending="ok", first_token_ms=400, response_ms=1_400, output_tokens=100)
FAILED = Sample(model_id="n|odd", ending="failed")


async def test_replicas_know_together_what_each_has_seen(valkey: Keeper) -> None:
    now = 1_000_000.0
    async with connect_news(url_of(valkey)) as redis:
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
    async with connect_news(url_of(valkey)) as redis:
        live = LivePerformance(lambda: 1_000_000.0)
        shared = SharedPerformance(redis, live, clock=lambda: 1_000_000.0)
        live.record(OK)
        await shared.run_once()
        await valkey.stop()
        live.record(OK)
        await shared.run_once()
        assert live.measured()["m"].calls == pytest.approx(2, rel=0.05)
        await shared.show(live.check_model_availability("m"))
