"""The pool of connections under cancellation."""

import asyncio
from functools import partial

import psycopg
import pytest

from models.errors import Overloaded
from models.ledger.store import PLANNER
from models.store import Database, SingleConnection


async def test_p16_a_cancellation_is_never_lost(url: str) -> None:
    database = Database(url, max_size=4)

    async def ask_on() -> None:
        while True:
            await database.run(lambda connection: connection.execute("SELECT 1"))

    for _ in range(20):
        tasks = [asyncio.create_task(ask_on()) for _ in range(12)]
        await asyncio.sleep(0.03)
        for task in tasks:
            task.cancel()
        _, going_on = await asyncio.wait(tasks, timeout=5)
        assert going_on == set()
    await database.close()


async def test_one_connection_is_kept_and_replaced_when_it_is_gone(url: str) -> None:
    single = SingleConnection(url, application_name="kept")
    first = await single.run(_backend)
    assert await single.run(_backend) == first
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kept'"
        )
    assert await single.run(_backend) != first
    await single.close()


async def test_p16_whoever_is_cut_off_leaves_nothing_to_the_next(url: str) -> None:
    single = SingleConnection(url)
    await single.run(_backend)
    task = asyncio.create_task(single.run(lambda connection: connection.execute("SELECT pg_sleep(60)")))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(single.run(partial(_echo, number)) for number in range(20)))
    assert answers == list(range(20))
    await single.close()


async def test_a_server_that_is_not_there_is_said_in_time() -> None:
    with pytest.raises(Overloaded):
        await SingleConnection("postgresql://nobody@127.0.0.1:1/nothing").run(_backend)


async def test_the_planner_is_told(url: str) -> None:
    single = SingleConnection(url, planner=PLANNER)

    async def shown(connection: psycopg.AsyncConnection) -> str:
        row = await (await connection.execute("SHOW plan_cache_mode")).fetchone()
        assert row is not None
        return str(row[0])

    assert await single.run(shown) == "force_generic_plan"
    await single.close()


async def _backend(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    assert row is not None
    return int(row[0])


async def _echo(number: int, connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute("SELECT %s::int", (number,))).fetchone()
    assert row is not None
    return int(row[0])
