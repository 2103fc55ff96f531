"""PostgreSQL dies in the middle: nothing acknowledged is lost, nobody is let in, and it heals by itself."""

import asyncio
import time
from collections.abc import Iterator

import psycopg
import pytest

from models.errors import Overloaded
from models.identity import Authenticator, KeyRing, PostgresKeyStore
from models.ledger import PostgresLedgerStore, UsageRecord
from models.store import Database
from tests.ledger_samples import record
from tests.services.conftest import Server

PEPPER = bytes(32)


@pytest.fixture
def killable(server: Server) -> Iterator[Server]:
    yield server
    server.stop()
    server.start()


def _record(number: int) -> UsageRecord:
    return record("req", attempt=number)


async def test_a_dropped_connection_is_replaced_unnoticed(url: str) -> None:
    database = Database(url, max_size=3)
    store = PostgresLedgerStore(database)
    await asyncio.gather(*(store.apply([_record(n)], []) for n in range(10)))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'polyvox'"
        )
    await asyncio.gather(*(store.apply([_record(n)], []) for n in range(10, 20)))
    assert len(await store.usage_of("req")) == 20
    await database.close()


async def test_what_was_acknowledged_survives_a_kill(url: str, killable: Server) -> None:
    database = Database(url, max_size=4, acquire_timeout_s=0.5)
    store = PostgresLedgerStore(database)
    acknowledged: set[int] = set()
    enough = asyncio.Event()

    async def tell(first: int) -> None:
        for number in range(first, first + 10_000):
            await store.apply([_record(number)], [])
            acknowledged.add(number)
            if len(acknowledged) >= 100:
                enough.set()

    writers = [asyncio.create_task(tell(first)) for first in range(0, 40_000, 10_000)]
    await enough.wait()
    killable.kill()
    outcomes = await asyncio.gather(*writers, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Overloaded}
    killable.start()
    kept = {record.attempt for record in await store.usage_of("req")}
    assert acknowledged <= kept
    await store.apply([_record(50_000)], [])
    await database.close()


async def test_nobody_is_let_in_while_it_is_away(url: str, killable: Server) -> None:
    database = Database(url, acquire_timeout_s=0.5)
    keys = PostgresKeyStore(database)
    ring = KeyRing(keys, PEPPER)
    known, unknown = (await ring.create_key("u")).key, (await ring.create_key("u")).key
    authenticator = Authenticator(keys, PEPPER)
    principal = await authenticator.authenticate(known)
    killable.kill()
    with pytest.raises(Overloaded):
        await authenticator.authenticate(unknown)
    assert await authenticator.authenticate(known) == principal
    killable.start()
    assert (await authenticator.authenticate(unknown)).user_id == principal.user_id
    await database.close()


async def test_a_statement_that_takes_too_long_is_ended(url: str) -> None:
    database = Database(url, statement_timeout_s=0.1)

    async def wait(connection: psycopg.AsyncConnection) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    with pytest.raises(Overloaded):
        await database.run(wait)
    await database.close()


async def test_a_database_that_is_not_there_is_refused_in_time() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing", acquire_timeout_s=0.2)

    async def nothing(connection: psycopg.AsyncConnection) -> None:
        await connection.execute("SELECT 1")

    with pytest.raises(Overloaded):
        await database.run(nothing)
    await database.close()
    with pytest.raises(Overloaded):
        await database.run(nothing)


async def test_p10_while_it_is_away_for_long_whoever_asks_is_told_at_once(url: str, killable: Server) -> None:
    database = Database(url, acquire_timeout_s=0.5, patience_s=1.0)

    async def ask(connection: psycopg.AsyncConnection) -> None:
        await connection.execute("SELECT 1")

    async def refused_after() -> float:
        began = time.monotonic()
        with pytest.raises(Overloaded) as refused:
            await database.run(ask)
        assert refused.value.retry_after_s == 1.0
        return time.monotonic() - began

    await database.run(ask)
    killable.kill()
    waited = await asyncio.gather(*(refused_after() for _ in range(20)))
    assert min(waited) > 0.3  # it might have been a restart
    await asyncio.sleep(0.8)
    assert max(await asyncio.gather(*(refused_after() for _ in range(20)))) < 0.1
    killable.start()
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        try:
            await database.run(ask)
            break
        except Overloaded:
            await asyncio.sleep(0.05)
    await asyncio.gather(*(database.run(ask) for _ in range(20)))
    await database.close()
