"""The ledger in PostgreSQL and its double in memory: one specification for both."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql

from models.errors import Internal
from models.ledger import Ask, Grant, LedgerStore, PostgresLedgerStore, UsageRecord
from models.ledger.memory import Budget, InMemoryLedgerStore
from models.store import Database
from tests.ledger_samples import TEAM, TENANT, USER, ask, record


class Books(Protocol):
    """A store, and a look into it."""

    store: LedgerStore

    async def budget(self, scope: str, owner: str, limit_pico: int) -> None: ...

    async def balances(self) -> list[tuple[int, int]]:
        """Posted and pending of each budget's account, in the order of their making."""
        ...

    async def transfers(self) -> dict[str, tuple[str, int]]:
        """Kind and amount by key."""
        ...

    async def entries(self) -> dict[str, int]:
        """The balance of each account of the journal."""
        ...

    async def usage(self, op_key: str) -> UsageRecord | None: ...


class Postgres:
    def __init__(self, database: Database, url: str) -> None:
        self.ledger = PostgresLedgerStore(database)
        self.store: LedgerStore = self.ledger
        self.database = database
        self._url = url

    async def budget(self, scope: str, owner: str, limit_pico: int) -> None:
        await self.run("INSERT INTO tenants (id, name) VALUES (%s, 't') ON CONFLICT DO NOTHING", TENANT)
        await self.run(
            "INSERT INTO budgets (tenant_id, scope, owner, period, limit_pico) "
            "VALUES (%s, %s, %s, 'day', %s)",
            TENANT,
            scope,
            owner,
            limit_pico,
        )

    async def balances(self) -> list[tuple[int, int]]:
        rows = await self.run(
            "SELECT posted_pico, pending_pico FROM accounts JOIN budgets b ON b.id = budget_id "
            "ORDER BY b.created_at"
        )
        return [(int(posted), int(pending)) for posted, pending in rows]

    async def transfers(self) -> dict[str, tuple[str, int]]:
        rows = await self.run("SELECT op_key, kind, amount_pico FROM transfers")
        return {key: (kind, int(amount)) for key, kind, amount in rows}

    async def entries(self) -> dict[str, int]:
        rows = await self.run("SELECT account, sum(debit_pico - credit_pico) FROM entries GROUP BY 1")
        return {account: int(balance) for account, balance in rows}

    async def usage(self, op_key: str) -> UsageRecord | None:
        found = await self.ledger.usage_of(op_key.partition("/")[0])
        return next((r for r in found if r.op_key == op_key), None)

    async def run(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            cursor = await connection.execute(sql.SQL(query), values)
            return await cursor.fetchall() if cursor.description else []


class Memory:
    def __init__(self) -> None:
        self.ledger = InMemoryLedgerStore()
        self.store: LedgerStore = self.ledger

    async def budget(self, scope: Any, owner: str, limit_pico: int) -> None:
        self.ledger.budgets.append(Budget(scope, owner, limit_pico))

    async def balances(self) -> list[tuple[int, int]]:
        return [(budget.posted_pico, budget.pending_pico) for budget in self.ledger.budgets]

    async def transfers(self) -> dict[str, tuple[str, int]]:
        return {key: (t.kind, t.amount_pico) for key, t in self.ledger.transfers.items()}

    async def entries(self) -> dict[str, int]:
        balances: dict[str, int] = {}
        for transfer in self.ledger.transfers.values():
            for account, amount in transfer.entries.items():
                balances[account] = balances.get(account, 0) + amount
        return balances

    async def usage(self, op_key: str) -> UsageRecord | None:
        return self.ledger.usage.get(op_key)


@pytest.fixture(params=["postgres", "memory"])
def books(request: pytest.FixtureRequest) -> Books:
    if request.param == "memory":
        return Memory()
    return Postgres(request.getfixturevalue("database"), request.getfixturevalue("url"))


async def reserve(books: Books, *asks: Ask) -> list[Grant]:
    return await books.store.apply([], list(asks))


async def test_a_call_is_held_and_then_charged_what_it_cost(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    await books.budget("tenant", TENANT, 50_000)
    [grant] = await reserve(books, ask())
    assert grant == Grant(op_key="req_1/0", granted_pico=1_000)
    assert await books.balances() == [(0, 1_000), (0, 1_000)]
    await books.store.apply([record()], [])
    assert await books.balances() == [(300, 0), (300, 0)]
    assert await books.transfers() == {"req_1/0": ("reserve", 1_000), "req_1/0:end": ("settle", 300)}
    assert await books.entries() == {"key:key_1": 300, "provider:openai": -300}
    kept = await books.usage("req_1/0")
    assert kept is not None
    assert kept.cost_pico == 300


@pytest.mark.parametrize(
    ("limit", "granted"),
    [
        (8_000, 1_000),  # plenty: all that it may cost
        (7_999, 999),  # an eighth of what is left
        (4_001, 500),  # the usual
        (500, 500),
        (499, 499),  # all there is
        (100, 100),
        (99, None),
        (0, None),
    ],
)
async def test_what_is_held_depends_on_what_is_left(books: Books, limit: int, granted: int | None) -> None:
    await books.budget("key", "key_1", limit)
    [grant] = await reserve(books, ask())
    assert grant.granted_pico == granted
    assert (grant.blocked is None) is (granted is not None)


@pytest.mark.parametrize(
    ("scope", "owner"),
    [("tenant", TENANT), ("team", TEAM), ("user", USER), ("key", "key_1"), ("conversation", "conv")],
)
async def test_every_scope_counts_for_its_owner_alone(books: Books, scope: str, owner: str) -> None:
    await books.budget(scope, owner, 150)
    await books.budget(scope, "somebody else", 0)
    mine = {"team_id": TEAM, "conversation_id": "conv"}
    first, second = await reserve(books, ask("a", **mine), ask("b", **mine))
    assert (first.granted_pico, second.granted_pico) == (150, None)
    assert second.blocked is not None
    assert (second.blocked.scope, second.blocked.left_pico) == (scope, 0)
    if scope not in ("tenant", "user"):
        [free] = await reserve(books, ask("c", key_id="other"))
        assert free.granted_pico == 1_000


async def test_a_refusal_says_whether_calls_under_way_are_the_reason(books: Books) -> None:
    await books.budget("key", "key_1", 1_000)
    await books.budget("tenant", TENANT, 10_000)
    [_, held] = await reserve(books, ask("a"), ask("b", least_pico=600))
    assert (held.granted_pico, held.in_flight) == (None, True)
    await books.store.apply([record("a", cost_pico=500)], [])
    [spent] = await reserve(books, ask("b", least_pico=600))
    assert (spent.granted_pico, spent.in_flight) == (None, False)
    assert spent.blocked is not None
    assert spent.blocked.left_pico == 500


async def test_what_is_freed_in_a_batch_is_there_for_its_reservations(books: Books) -> None:
    await books.budget("key", "key_1", 500)
    await reserve(books, ask("a"))
    [grant] = await books.store.apply([record("a", cost_pico=100)], [ask("b")])
    assert grant.granted_pico == 400


async def test_asking_again_gets_the_same_answer_and_holds_nothing_more(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    assert await reserve(books, ask()) == await reserve(books, ask(most_pico=2_000))
    assert await books.balances() == [(0, 1_000)]
    await books.store.apply([record()], [])
    [late] = await reserve(books, ask())
    assert (late.granted_pico, late.in_flight, late.blocked) == (None, False, None)


async def test_m5_telling_again_changes_nothing(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    await reserve(books, ask())
    for told in (record(), record(cost_pico=999), record(status="cancelled", cost_pico=0)):
        await books.store.apply([told], [])
    assert await books.balances() == [(300, 0)]
    assert len(await books.transfers()) == 2
    kept = await books.usage("req_1/0")
    assert kept is not None
    assert kept.cost_pico == 300


async def test_a_call_that_was_not_made_is_released(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    await reserve(books, ask())
    await books.store.apply([record(status="failed", cost_pico=0)], [])
    assert await books.balances() == [(0, 0)]
    assert (await books.transfers())["req_1/0:end"] == ("release", 0)
    assert await books.entries() == {}


async def test_m5_what_costs_more_than_was_held_is_an_overrun_and_never_lost(books: Books) -> None:
    await books.budget("key", "key_1", 1_000)
    [grant] = await reserve(books, ask())
    assert grant.granted_pico == 500
    await books.store.apply([record(cost_pico=5_000)], [])
    assert await books.balances() == [(500, 0)]
    assert await books.entries() == {"key:key_1": 500, "overrun": 4_500, "provider:openai": -5_000}


async def test_a_discount_is_owed_to_the_provider_and_not_charged(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    await reserve(books, ask())
    await books.store.apply([record(cost_pico=270, discount_pico=30)], [])
    assert await books.balances() == [(270, 0)]
    assert await books.entries() == {"key:key_1": 270, "discount": 30, "provider:openai": -300}


@pytest.mark.parametrize(
    ("cost", "overrun"), [(150, 0), (200, 0), (450, 250)], ids=["less", "the same", "more"]
)
async def test_m4_a_guess_is_corrected_and_not_edited(books: Books, cost: int, overrun: int) -> None:
    await books.budget("key", "key_1", 10_000)
    await reserve(books, ask())
    lapsed = record(status="expired", estimated=True, cost_pico=200)
    await books.store.apply([lapsed], [])
    assert await books.balances() == [(200, 0)]
    for _ in range(2):
        await books.store.apply([record(cost_pico=cost)], [])
        await books.store.apply([lapsed], [])
    kinds = {key: kind for key, (kind, _) in (await books.transfers()).items()}
    assert kinds["req_1/0:end"] == "expire"
    assert ("req_1/0:adjust" in kinds) is (cost != 200)
    assert await books.balances() == [(cost - overrun, 0)]
    balance = await books.entries()
    assert (balance["provider:openai"], balance.get("overrun", 0)) == (-cost, overrun)
    kept = await books.usage("req_1/0")
    assert kept is not None
    assert (kept.status, kept.cost_pico) == ("completed", cost)


@pytest.mark.parametrize(
    ("cost", "spent", "overrun"),
    [(0, 0, 0), (150, 150, 0), (200, 200, 0), (450, 450, 0), (700, 700, 0), (900, 700, 200)],
)
async def test_m1_a_guess_counts_as_the_worst_until_the_truth_is_known(
    books: Books, cost: int, spent: int, overrun: int
) -> None:
    await books.budget("key", "key_1", 10_000)
    await reserve(books, ask())
    lapsed = record(status="expired", estimated=True, cost_pico=200, counted_pico=700)
    await books.store.apply([lapsed], [])
    assert await books.balances() == [(700, 0)]
    assert await books.entries() == {"key:key_1": 200, "provider:openai": -200}
    for _ in range(2):
        await books.store.apply([record(cost_pico=cost)], [])
    assert await books.balances() == [(spent, 0)]
    balance = await books.entries()
    assert (balance["key:key_1"], balance.get("overrun", 0)) == (spent, overrun)
    assert balance["provider:openai"] == -cost
    kept = await books.usage("req_1/0")
    assert kept is not None
    assert (kept.status, kept.cost_pico, kept.counted_pico) == ("completed", cost, None)


async def test_m1_a_failure_in_doubt_counts_as_the_worst_and_no_more_than_was_held(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    await reserve(books, ask("a"), ask("b"))
    outcomes = [
        record(name, status="failed", estimated=True, cost_pico=200, counted_pico=counted)
        for name, counted in (("a", 700), ("b", 5_000))
    ]
    await books.store.apply(outcomes, [])
    assert await books.balances() == [(1_700, 0)]
    assert await books.entries() == {"key:key_1": 400, "provider:openai": -400}


@pytest.mark.parametrize(
    ("cost", "counted", "kept"),
    [(200, None, (200, None)), (200, 450, (200, 450)), (200, 900, (200, 500)), (800, 900, (500, 500))],
)
async def test_m4_nothing_beyond_what_is_held_is_guessed(
    books: Books, cost: int, counted: int | None, kept: tuple[int, int | None]
) -> None:
    await books.budget("key", "key_1", 600)
    guess = record(status="expired", estimated=True, cost_pico=cost, counted_pico=counted)
    if isinstance(books, Postgres):
        books.store = PostgresLedgerStore(books.database, lease_s=-1.0)
    else:
        books.store._lease = -books.store._lease  # type: ignore[attr-defined]
    await reserve(books, ask(record=guess))
    for _ in range(2):
        [lapsed] = await books.store.expired(limit=10)
        assert (lapsed.cost_pico, lapsed.counted_pico) == kept
        await books.store.renew([guess])


async def test_a_call_charged_after_its_release_is_not_lost(books: Books) -> None:
    await reserve(books, ask())
    await books.store.apply([record(status="cancelled", cost_pico=0)], [])
    await books.store.apply([record(cost_pico=300)], [])
    assert await books.entries() == {"overrun": 300, "provider:openai": -300}
    kept = await books.usage("req_1/0")
    assert kept is not None
    assert kept.cost_pico == 300


async def test_a_call_that_was_never_reserved_is_charged_all_the_same(books: Books) -> None:
    for _ in range(2):
        await books.store.apply([record()], [])
    assert await books.entries() == {"overrun": 300, "provider:openai": -300}


async def test_holds_lapse_unless_they_are_renewed(books: Books) -> None:
    kept, lapsed = books.store, books.store
    if isinstance(books, Postgres):
        lapsed = PostgresLedgerStore(books.database, lease_s=-1.0)
    await kept.apply([], [ask("kept")])
    if isinstance(books, Memory):
        books.ledger._lease = -books.ledger._lease
    await lapsed.apply([], [ask("a"), ask("b")])
    assert {r.request_id for r in await lapsed.expired(limit=10)} == {"a", "b"}
    assert len(await lapsed.expired(limit=1)) == 1
    if isinstance(books, Memory):
        books.ledger._lease = -books.ledger._lease
    await kept.renew([record("a", status="expired", cost_pico=250), record("nobody", status="expired")])
    [left] = await kept.expired(limit=10)
    assert left.request_id == "b"


async def test_m1_two_hundred_at_once_against_a_budget_for_ten(books: Books) -> None:
    await books.budget("key", "key_1", 10_000)
    exact = {"least_pico": 1_000, "usual_pico": 1_000, "most_pico": 1_000}
    batches = [[ask(f"{writer}-{n}", **exact) for n in range(5)] for writer in range(40)]
    grants = await asyncio.gather(*(books.store.apply([], batch) for batch in batches))
    admitted = [grant for batch in grants for grant in batch if grant.granted_pico is not None]
    assert len(admitted) == 10
    assert await books.balances() == [(0, 10_000)]


async def test_every_field_of_a_record_is_kept(books: Books) -> None:
    full = record(
        "req_full",
        attempt=2,
        team_id=TEAM,
        conversation_id="a name of the client's",
        task="code",
        stream=True,
        status="failed",
        cache_read_tokens=2,
        cache_write_5m_tokens=3,
        cache_write_1h_tokens=4,
        reasoning_tokens=6,
        service_tier="flex",
        cost_pico=9_000_000_000_000_000_001,
        counted_pico=9_000_000_000_000_000_002,
        discount_pico=7,
        saved_pico=-5,
        estimated=True,
        first_token_ms=8,
        error_code="provider_timeout",
        usage_details={"audio_input": 5, "web_search": 2},
        request_digest="\\x00ff00ff00ff00ff00ff00ff00ff00ff",
        created_at=datetime(2026, 11, 23, 12, 30, 15, 123456, tzinfo=UTC),
    )
    await books.store.apply([full], [])
    assert await books.usage("req_full/2") == full


@pytest.mark.parametrize(
    "changes",
    [{"model_id": "a\0b"}, {"user_id": "no uuid"}, {"model_id": "\ud800"}, {"output_tokens": -1}],
    ids=["NUL", "no uuid", "half a surrogate", "negative"],
)
async def test_what_postgresql_does_not_take_is_said_and_stores_nothing(
    database: Database, url: str, changes: dict[str, Any]
) -> None:
    books: Books = Postgres(database, url)
    with pytest.raises(Internal):
        await books.store.apply([record("good"), record("bad", **changes)], [ask("other")])
    assert await books.transfers() == {}


async def test_m8_windows_are_named_and_never_reset(database: Database, url: str) -> None:
    books = Postgres(database, url)
    starts = await books.run(
        "SELECT window_start(p, h, at), counts_from(p, h, at) FROM (VALUES "
        "('day', NULL::int), ('week', NULL), ('month', NULL), ('total', NULL), ('rolling', 24)) AS w (p, h), "
        "(VALUES ('2026-11-24T13:37:00Z'::timestamptz)) AS t (at)"
    )
    assert [tuple(f"{moment:%Y-%m-%d %H:%M}" for moment in row) for row in starts] == [
        ("2026-11-24 00:00", "2026-11-24 00:00"),
        ("2026-11-23 00:00", "2026-11-23 00:00"),
        ("2026-11-01 00:00", "2026-11-01 00:00"),
        ("1970-01-01 00:00", "1970-01-01 00:00"),
        ("2026-11-24 13:00", "2026-11-23 13:00"),
    ]


async def test_a_rolling_budget_counts_all_buckets_of_its_period(database: Database, url: str) -> None:
    books = Postgres(database, url)
    await books.budget("key", "key_1", 1_000)
    await books.run("UPDATE budgets SET period = 'rolling', rolling_hours = 24")
    await books.run(
        "INSERT INTO accounts (budget_id, window_start, posted_pico) "
        "SELECT id, window_start('rolling', 24, now() - age), spent FROM budgets, "
        "(VALUES (interval '2 hours', 300), (interval '23 hours', 200), (interval '30 hours', 5000)) "
        "AS earlier (age, spent)"
    )
    [first, second] = await reserve(books, ask("a"), ask("b"))
    assert (first.granted_pico, second.granted_pico) == (500, None)


async def test_a_soft_budget_counts_and_stops_nobody(database: Database, url: str) -> None:
    books = Postgres(database, url)
    await books.budget("key", "key_1", 10)
    await books.run("UPDATE budgets SET hard = false")
    [grant] = await reserve(books, ask())
    assert grant.granted_pico == 1_000
    await books.store.apply([record()], [])
    assert await books.balances() == [(300, 0)]


async def test_the_database_itself_refuses_to_overspend(database: Database, url: str) -> None:
    books = Postgres(database, url)
    await books.budget("key", "key_1", 1_000)
    await reserve(books, ask())
    with pytest.raises(psycopg.errors.CheckViolation, match="no_overspend"):
        await books.run("UPDATE accounts SET posted_pico = posted_pico + 501")


async def test_p11_writers_that_share_accounts_do_not_deadlock(database: Database, url: str) -> None:
    books = Postgres(database, url)
    owners = [("tenant", TENANT), ("user", USER), ("key", "key_1"), ("key", "key_2"), ("conversation", "c")]
    for scope, owner in owners:
        await books.budget(scope, owner, 10**12)

    async def write(writer: int) -> None:
        previous: list[UsageRecord] = []
        for turn in range(15):
            keys = ["key_1", "key_2"] if (writer + turn) % 2 else ["key_2", "key_1"]
            names = [f"{writer}-{turn}-{key}" for key in keys]
            asks = [
                ask(name, key_id=key, conversation_id="c" if turn % 3 else None)
                for name, key in zip(names, keys, strict=True)
            ]
            await books.store.apply(previous, asks)
            previous = [record(name, key_id=key) for name, key in zip(names, keys, strict=True)]
        await books.store.apply(previous, [])

    await asyncio.gather(*(write(writer) for writer in range(4)))
    assert all(pending == 0 for _, pending in await books.balances())
    [[deadlocks]] = await books.run(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks == 0
    assert (await books.balances())[0] == (4 * 15 * 2 * 300, 0)
