"""The embedded PostgreSQL and Valkey: durable, private to this machine, and behind a password."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil
import psycopg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deployments.local.home import Home
from deployments.local.keeper import Keeper
from deployments.local.ports import remembered_ports
from deployments.local.postgres import Postgres
from deployments.local.processes import members
from deployments.local.service import ServiceFailed
from deployments.local.unprivileged import Account
from deployments.local.valkey import Valkey

Stop = Callable[[Keeper], Coroutine[Any, Any, None]]


def postgres_of(home: Home) -> Postgres:
    return Postgres(home, remembered_ports(home, ("postgres",))["postgres"], Account.for_servers())


def valkey_of(home: Home) -> Valkey:
    return Valkey(home, Account.for_servers())


def keeper_of(service: Postgres | Valkey) -> Keeper:
    return Keeper(service, home=service.home, say=lambda _text: None)


@asynccontextmanager
async def running(*services: Postgres | Valkey) -> AsyncIterator[list[Keeper]]:
    keepers = [keeper_of(service) for service in services]
    try:
        await asyncio.gather(*(keeper.start() for keeper in keepers))
        yield keepers
    finally:
        await asyncio.gather(*(keeper.stop() for keeper in keepers))


async def in_order(keeper: Keeper) -> None:
    await keeper.stop()


async def by_kill_9(keeper: Keeper) -> None:
    """The postmaster alone dies: its backends are left, as after a real crash."""
    psutil.Process(keeper.pid).kill()
    await keeper.stop()


STOPS = [pytest.param(in_order, id="in order"), pytest.param(by_kill_9, id="by kill -9")]


@pytest.mark.parametrize("stop", STOPS)
async def test_what_postgres_committed_survives(home: Home, stop: Stop) -> None:
    service = postgres_of(home)
    async with running(service) as [keeper]:
        async with await psycopg.AsyncConnection.connect(service.url) as connection:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            await connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
            await connection.execute("INSERT INTO kept VALUES ('here')")
        await stop(keeper)
        await keeper.start()
        async with await psycopg.AsyncConnection.connect(service.url) as connection:
            cursor = await connection.execute("SELECT DISTINCT text FROM kept")
            assert await cursor.fetchall() == [("here",)]


@pytest.mark.parametrize("stop", STOPS)
async def test_valkey_serves_again(home: Home, stop: Stop) -> None:
    service = valkey_of(home)
    async with running(service) as [keeper]:
        await stop(keeper)
        await keeper.start()
        async with Redis.from_url(service.url) as redis:
            assert await redis.set("key", "value")


async def test_nobody_gets_in_without_the_password(home: Home) -> None:
    postgres, valkey = postgres_of(home), valkey_of(home)
    async with running(postgres, valkey):
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                await psycopg.AsyncConnection.connect(
                    host="127.0.0.1", port=postgres.port, user="polyvox", password=password, dbname="polyvox"
                )
        async with Redis(unix_socket_path=str(valkey.socket)) as redis:
            with pytest.raises(RedisError, match="authenticat"):
                await redis.get("key")


async def test_they_listen_on_loopback_and_show_no_password(home: Home) -> None:
    secrets = {home.secret("postgres"), home.secret("valkey")}
    addresses = set()
    async with running(postgres_of(home), valkey_of(home)):
        for process, _role in members(home):
            with suppress(psutil.NoSuchProcess):
                assert not any(secret in " ".join(process.cmdline()) for secret in secrets)
                listening = (c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN)
                addresses |= {connection.laddr.ip for connection in listening}
    assert addresses == {"127.0.0.1"}
    assert members(home) == []


async def test_a_number_left_by_a_crash_is_not_taken_for_a_running_server(home: Home) -> None:
    service = postgres_of(home)
    async with running(service):
        pass
    (service.data / "postmaster.pid").write_text(f"1\n{service.data}\n0\n{service.port}\n\n127.0.0.1\n0 0\n")
    async with running(service):
        pass


async def test_a_password_that_does_not_fit_the_data_is_an_error_at_once(home: Home) -> None:
    service = postgres_of(home)
    async with running(service):
        pass
    right = home.secret("postgres")
    home.secret_path("postgres").write_text("another")
    with pytest.raises(ServiceFailed, match="password"):
        async with running(service):
            pass
    home.secret_path("postgres").write_text(right)


async def test_the_kernel_is_asked_to_end_them_with_their_supervisor(home: Home) -> None:
    """By the signal that ends them in order: PostgreSQL's is SIGINT, its fast shutdown."""
    assert (await postgres_of(home).prepare()).stop_signal is signal.SIGINT
    assert (await valkey_of(home).prepare()).stop_signal is signal.SIGTERM
