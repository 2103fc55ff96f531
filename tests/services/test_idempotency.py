"""Idempotency keys over a real PostgreSQL: claimed once, whoever asks, and nobody begins while it is away."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from models.errors import Overloaded
from models.idempotency import Again, Idempotency, Place, PostgresIdempotency, Run
from models.ledger import PostgresLedgerStore
from models.store import Database, SingleConnection
from tests.ledger_samples import record
from tests.services.conftest import Server
from tests.unit.idempotency.specification import ANN, TENANT, Kept, Specification

FREE = record("free", tenant_id=TENANT, cost_pico=0)
CUT = record("cut", tenant_id=TENANT, status="cancelled")
FOREIGN = record("foreign", tenant_id="7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a04")


class InPostgres(Kept):
    def __init__(self, database: Database, url: str) -> None:
        self.store = PostgresIdempotency(database, kept_s=3_600)
        self._url = url
        self._database = database

    async def end_leases(self) -> None:
        await self._run(b"UPDATE idempotency_keys SET lease_until = now() - interval '1 second'")

    async def end_the_day(self) -> None:
        await self._run(b"UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")

    async def pay(self, request_id: str) -> None:
        connection = SingleConnection(self._url, application_name="test")
        records = [record(request_id, tenant_id=TENANT), FREE, CUT, FOREIGN]
        await PostgresLedgerStore(connection).apply(records, [])
        await connection.close()

    async def rows(self) -> int:
        async def count(connection: psycopg.AsyncConnection) -> int:
            row = await (await connection.execute(b"SELECT count(*) FROM idempotency_keys")).fetchone()
            assert row is not None
            return int(row[0])

        return await self._database.run(count)

    async def _run(self, statement: bytes) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute(statement)


class TestInPostgres(Specification):
    @pytest.fixture
    def kept(self, database: Database, url: str) -> InPostgres:
        return InPostgres(database, url)

    async def test_only_whole_answers_that_were_charged_count_as_paid(self, kept: InPostgres) -> None:
        await kept.pay("r1")
        for request_id in ("free", "cut", "foreign"):
            assert not await kept.store.was_paid(TENANT, [request_id])
        assert not await kept.store.was_paid(ANN.user_id, ["r1"])

    async def test_what_is_over_is_swept_and_what_is_a_users_forgotten(self, kept: InPostgres) -> None:
        store = kept.store
        assert isinstance(store, PostgresIdempotency)
        await kept.claim("r1")
        await store.sweep()
        assert await kept.rows() == 1
        await kept.end_the_day()
        await store.sweep()
        assert await kept.rows() == 0
        await kept.claim("r1")
        assert await store.forget(TENANT, ANN.user_id) == 1
        assert await kept.rows() == 0


@pytest.fixture
def killable(server: Server) -> Iterator[Server]:
    yield server
    server.stop()
    server.start()


async def test_m3_of_two_replicas_one_answers(database: Database, url: str) -> None:
    other = Database(url, max_size=4)
    replicas = [Idempotency(PostgresIdempotency(one), secret=b"s") for one in (database, other)]
    ran: list[Run] = []

    async def ask(number: int) -> bytes:
        replica = replicas[number % 2]
        begun = await replica.begin(replica.asked(TENANT, ANN.user_id, b"key", b"said"), f"r{number}")
        if isinstance(begun, Run):
            ran.append(begun)
            await asyncio.sleep(0.1)
            begun.recording.add(b"answer of %d" % number)
            await begun.done(200, ((b"a", b"b"),), is_stream=True)
            begun = await replica.begin(replica.asked(TENANT, ANN.user_id, b"key", b"said"), "again")
        assert isinstance(begun, Again)
        return begun.answer.body

    answers = await asyncio.gather(*(ask(number) for number in range(50)))
    assert len(ran) == 1
    assert set(answers) == {b"answer of " + ran[0].request_id[1:].encode()}
    await other.close()


async def test_p10_nobody_begins_while_it_is_away_and_what_was_answered_is_kept(
    url: str, killable: Server
) -> None:
    database = Database(url, max_size=2, acquire_timeout_s=0.5)
    idempotency = Idempotency(PostgresIdempotency(database), secret=b"s")
    asked = idempotency.asked(TENANT, ANN.user_id, b"key", b"said")
    run = await idempotency.begin(asked, "r1")
    assert isinstance(run, Run)
    killable.kill()
    with pytest.raises(Overloaded):
        await idempotency.begin(idempotency.asked(TENANT, ANN.user_id, b"other", b"said"), "r2")
    run.recording.add(b"answer")
    await run.done(200, (), is_stream=False)
    killable.start()
    await idempotency.run_once()
    again = await idempotency.begin(asked, "r3")
    assert isinstance(again, Again)
    assert (again.answer.body, again.request_id) == (b"answer", "r1")
    await idempotency.settle()
    await database.close()


async def test_a_claim_that_is_cut_off_is_given_back(url: str) -> None:
    database = Database(url, max_size=2)
    idempotency = Idempotency(PostgresIdempotency(database), secret=b"s")
    for number in range(30):
        asked = idempotency.asked(TENANT, ANN.user_id, b"key %d" % number, b"said")
        asking = asyncio.create_task(idempotency.begin(asked, f"r{number}"))
        await asyncio.sleep(0.0004 * (number % 10))
        asking.cancel()
        (outcome,) = await asyncio.gather(asking, return_exceptions=True)
        if isinstance(outcome, Run):
            await outcome.refused()
    await idempotency.settle()
    held = [
        Place(TENANT, ANN.user_id, idempotency.asked(TENANT, ANN.user_id, b"key %d" % n, b"said").place.name)
        for n in range(30)
    ]
    assert [await PostgresIdempotency(database).is_under_way(place) for place in held] == [False] * 30
    await database.close()
