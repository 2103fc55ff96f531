"""Whatever happens to it, the ledger in PostgreSQL does what the one in memory does; its books balance."""

import random
from uuid import uuid4

import psycopg
import pytest

from models.reconcile.trial_balance import verify
from models.store import Database
from tests.money.books import broken_rules
from tests.money.cases import CASES
from tests.money.histories import Author, History, ModelUnderTest, RandomDraw, play
from tests.money.memory_ledger import MemoryUnderTest
from tests.money.postgres_ledger import PostgresUnderTest

SEED = 1
HISTORIES = 250


async def test_m1_m4_m5_m9_postgresql_decides_as_memory_does(database: Database, url: str) -> None:
    for number in range(HISTORIES):
        draw = RandomDraw(random.Random(f"{SEED} {number}"))  # noqa: S311 - to be repeatable
        await _play(Author(draw, str(uuid4()), prefix=f"h{number}_").history(longest=12), database)
    await _check_books(database, url)


@pytest.mark.parametrize("case", CASES)
async def test_m5_a_rare_history_ends_as_it_should(case: str, database: Database, url: str) -> None:
    await _play(CASES[case], database)
    await _check_books(database, url)


async def _play(history: History, database: Database) -> None:
    postgres = PostgresUnderTest(database, history.tenant)
    await postgres.begin(history.limits)
    await play(history, ModelUnderTest(history.limits), MemoryUnderTest(history.limits), postgres)


async def _check_books(database: Database, url: str) -> None:
    """By the tests' own rules, and by the product's."""
    with psycopg.connect(url) as connection:
        assert broken_rules(connection) == {}
    assert await verify(database) == []
