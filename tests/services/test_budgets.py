"""Budgets in PostgreSQL: exact whatever is under way while they are made, changed and ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection

from models.identity import KeyRing, PostgresKeyStore
from models.ledger.budget import Budget, Change, NewBudget, Scope
from models.ledger.budget_store import PostgresBudgetStore
from models.ledger.budgets import BudgetManager
from models.ledger.windows import Period, counts_from, window_start
from models.store import Database
from tests.services.money import UNBALANCED, Spender, fetch, spender

SCOPES: tuple[Scope, ...] = ("tenant", "team", "user", "key", "conversation")
T = TypeVar("T")

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def manager(database: Database) -> BudgetManager:
    return BudgetManager(PostgresBudgetStore(database))


@pytest.fixture
async def ann(database: Database) -> Spender:
    return await spender(database)


async def limit(
    manager: BudgetManager, of: Spender, limit_pico: int = 1_000, *, scope: Scope = "user", **changes: Any
) -> Budget:
    asked: dict[str, Any] = {"period": "month", **changes}
    owner = getattr(of.owners, f"{scope}_id")
    return await manager.create(of.owners.tenant_id, scope=scope, owner=owner, limit_pico=limit_pico, **asked)


async def gone(manager: BudgetManager, budget: Budget) -> tuple[int, int]:
    """What is spent and what is held."""
    told = await manager.status(budget.tenant_id, budget.id)
    assert told is not None
    return told.spent_pico, told.held_pico


async def accounts(database: Database, budget: Budget) -> list[tuple[Any, ...]]:
    return await fetch(
        database,
        "SELECT limit_pico, opening_pico, posted_pico, pending_pico FROM accounts"
        " WHERE budget_id = %s ORDER BY window_start",
        budget.id,
    )


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_the_owner_has_spent_in_the_window_counts_from_the_start(
    database: Database, manager: BudgetManager, scope: Scope
) -> None:
    ann, bob = await spender(database), await spender(database, "bob", conversation_id="another chat")
    foreign = await spender(database, tenant="other")
    await ann.tell("ann-1", 300)
    await ann.tell("ann-2", 4)
    await bob.tell("bob-1", 50)
    await foreign.tell("foreign-1", 7_000)
    shared = scope in ("tenant", "team")
    budget = await limit(manager, ann, scope=scope)
    assert await gone(manager, budget) == (354 if shared else 304, 0)
    assert (await ann.reserve("ann-3", 646 if shared else 696)).granted_pico is not None
    refused = await ann.reserve("ann-4", 1)
    assert refused.granted_pico is None
    assert refused.in_flight
    assert await fetch(database, UNBALANCED) == []


@pytest.mark.parametrize("scope", SCOPES)
async def test_holds_that_are_open_count_and_so_does_what_becomes_of_them(
    database: Database, manager: BudgetManager, scope: Scope
) -> None:
    ann, bob = await spender(database), await spender(database, "bob", conversation_id="another chat")
    for name in ("settled", "released", "expired"):
        assert (await ann.reserve(name, 200)).granted_pico == 200
    await bob.reserve("his", 10)
    his = 10 if scope in ("tenant", "team") else 0
    budget = await limit(manager, ann, scope=scope)
    assert await gone(manager, budget) == (0, 600 + his)
    assert (await ann.reserve("beyond", 401)).in_flight
    await ann.tell("settled", 150)
    await ann.tell("released", 0, status="failed")
    await ann.tell("expired", 200, status="expired")
    assert await gone(manager, budget) == (350, his)
    await bob.tell("his", 10)
    assert await gone(manager, budget) == (350 + his, 0)
    assert await fetch(database, UNBALANCED) == []


async def test_more_may_be_gone_than_a_new_limit_allows(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    await ann.tell("earlier", 3_000)
    await ann.reserve("under way", 500)
    budget = await limit(manager, ann)
    assert await accounts(database, budget) == [(3_500, 3_000, 3_000, 500)]
    assert (await ann.reserve("next", 1)).blocked is not None
    await ann.tell("under way", 400)
    assert (await ann.reserve("another", 1)).granted_pico is None
    told = await manager.status(budget.tenant_id, budget.id, estimated_pico=1)
    assert told is not None
    assert (told.available, told.spent_pico, told.remaining_pico) == (False, 3_400, 0)
    assert told.alert_level == "critical"


async def test_making_the_same_budget_again_changes_nothing(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    await ann.tell("earlier", 300)
    await ann.reserve("under way", 200)
    budget = await limit(manager, ann)
    fields = {name: getattr(budget, name) for name in NewBudget.__struct_fields__}
    again = NewBudget(**{**fields, "limit_pico": 5})
    assert await PostgresBudgetStore(database).add(again) == budget
    assert await gone(manager, budget) == (300, 200)
    assert await fetch(database, UNBALANCED) == []


@pytest.mark.parametrize("period", ["day", "week", "month", "rolling", "total"])
async def test_m8_a_call_counts_in_the_window_that_it_began_in(
    database: Database, manager: BudgetManager, ann: Spender, period: Period
) -> None:
    hours = 8_784 if period == "rolling" else None
    now = (await fetch(database, "SELECT now()"))[0][0]
    first = counts_from(period, hours, now)
    inside = max(first, datetime(2001, 1, 1, tzinfo=UTC))
    await ann.tell("inside", 30, created_at=inside)
    await ann.tell("outside", 5, created_at=first - MICROSECOND)
    await ann.tell("now", 100)
    await ann.tell("by a clock that is fast", 1_000, created_at=now + timedelta(days=70))
    budget = await limit(manager, ann, 10_000, period=period, rolling_hours=hours)
    assert await gone(manager, budget) == (1_130, 0)


async def test_the_past_of_a_rolling_budget_leaves_it_step_by_step(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    now = (await fetch(database, "SELECT now()"))[0][0]
    step = timedelta(hours=8_784) / 24
    for back in (0, 1, 1, 23, 24, 25):
        name = f"{back} {uuid4()}"
        await ann.tell(name, 10**back, created_at=window_start("rolling", 8_784, now) - back * step)
    budget = await limit(manager, ann, 10**26, period="rolling", rolling_hours=8_784)
    assert await gone(manager, budget) == (10**24 + 10**23 + 21, 0)
    report = await manager.generate_budget_report(budget.tenant_id, budget.id)
    assert report is not None
    assert [w.posted_pico for w in report.windows] == [1, 20, 10**23, 10**24]
    assert [w.opening_pico for w in report.windows] == [1, 20, 10**23, 10**24]
    assert [w.counted_pico for w in report.windows] == [
        10**24 + 10**23 + 21,
        10**24 + 10**23 + 20,
        10**24 + 10**23,
        10**24,
    ]
    assert report.peak == report.windows[0]


class Interrupted(Database):
    """Between the sums of the past and the making of a budget, something happens."""

    def __init__(self, url: str) -> None:
        super().__init__(url, max_size=4)
        self.runs = 0
        self.happens: Callable[[], Awaitable[None]] | None = None

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        self.runs += 1
        if self.runs == 3 and self.happens is not None:
            await self.happens()
        return await super().run(operation)


@pytest.mark.parametrize("hours", [0, 5])
async def test_what_is_told_while_the_past_is_summed_up_counts_once(
    url: str, database: Database, ann: Spender, hours: int
) -> None:
    began = datetime.now(UTC) - timedelta(hours=hours)
    for name in ("guessed", "told late", "released"):
        await ann.reserve(name, 500)
    await ann.tell("old", 1, created_at=began - timedelta(hours=5))
    await ann.tell("guessed", 300, counted_pico=500, status="expired", created_at=began)

    async def happens() -> None:
        await ann.tell("guessed", 20, created_at=began)
        await ann.tell("told late", 300, created_at=began)
        await ann.tell("released", 0, status="failed", created_at=began)
        await ann.tell("unheard of", 4_000, created_at=began)

    interrupted = Interrupted(url)
    interrupted.happens = happens
    budget = await limit(BudgetManager(PostgresBudgetStore(interrupted)), ann, period="total")
    await interrupted.close()
    assert await gone(BudgetManager(PostgresBudgetStore(database)), budget) == (4_321, 0)
    assert await fetch(database, UNBALANCED) == []


async def test_the_windows_of_the_database_are_those_of_the_program(database: Database) -> None:
    random = Random(5)  # noqa: S311 a seeded choice of cases
    periods: Sequence[Period] = ("day", "week", "month", "rolling", "total")
    epoch = datetime(1999, 12, 31, tzinfo=UTC)
    moments = [epoch + random.randrange(10**9) * timedelta(seconds=1) for _ in range(200)]
    moments += [
        m.replace(hour=0, minute=0, second=0) - back * MICROSECOND for m in moments for back in (0, 1)
    ]
    cases = [
        (period, random.randint(1, 8_784) if period == "rolling" else None, at)
        for at in moments
        for period in periods
    ]
    found = await fetch(
        database,
        "SELECT window_start(p, h, at), counts_from(p, h, at)"
        " FROM unnest(%s::text[], %s::integer[], %s::timestamptz[]) AS c (p, h, at)",
        *(list(column) for column in zip(*cases, strict=True)),
    )
    expected = [(window_start(*case), counts_from(*case)) for case in cases]
    assert [pair for pair in zip(cases, found, expected, strict=True) if pair[1] != pair[2]][:3] == []


async def test_a_limit_below_what_is_gone_takes_nothing_back_and_admits_nothing(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    budget = await limit(manager, ann)
    await ann.reserve("spent", 600)
    await ann.tell("spent", 600)
    await ann.reserve("under way", 300)
    lowered = await manager.change(budget.tenant_id, budget.id, Change(limit_pico=500))
    assert lowered == replace(budget, limit_pico=500)
    assert await accounts(database, budget) == [(900, 0, 600, 300)]
    assert (await ann.reserve("next", 1)).granted_pico is None
    await ann.tell("under way", 0, status="failed")
    assert (await ann.reserve("next again", 1)).granted_pico is None
    await manager.change(budget.tenant_id, budget.id, Change(limit_pico=601))
    assert (await ann.reserve("and again", 1)).granted_pico == 1
    assert (await ann.reserve("one more", 1)).granted_pico is None
    assert await accounts(database, budget) == [(601, 0, 600, 1)]


async def test_a_soft_budget_stops_nobody_and_counts_all_the_same(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    budget = await limit(manager, ann, hard=False)
    await ann.reserve("much", 5_000)
    await ann.tell("much", 4_000)
    assert await accounts(database, budget) == [(None, 0, 4_000, 0)]
    hard = await manager.change(budget.tenant_id, budget.id, Change(hard=True, name="now hard"))
    assert hard is not None
    assert (hard.hard, hard.name, hard.limit_pico) == (True, "now hard", 1_000)
    assert await accounts(database, budget) == [(4_000, 0, 4_000, 0)]
    assert (await ann.reserve("more", 1)).granted_pico is None
    await manager.change(budget.tenant_id, budget.id, Change(hard=False))
    assert (await ann.reserve("still more", 1)).granted_pico == 1


async def test_an_ended_budget_stands_against_nobody(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    budget = await limit(manager, ann)
    await ann.reserve("under way", 1_000)
    assert (await ann.reserve("more", 1)).granted_pico is None
    ended = await manager.end(budget.tenant_id, budget.id)
    assert ended is not None
    assert ended.ended_at is not None
    assert (await ann.reserve("more again", 5_000)).granted_pico == 5_000
    await ann.tell("under way", 900)
    assert await gone(manager, budget) == (900, 0)
    assert await manager.end(budget.tenant_id, budget.id) == ended
    assert await manager.change(budget.tenant_id, budget.id, Change(limit_pico=1)) is None
    assert await manager.statuses(ann.owners) == []
    assert await fetch(database, UNBALANCED) == []


async def test_a_tenant_sees_and_touches_nothing_of_anothers(
    database: Database, manager: BudgetManager, ann: Spender
) -> None:
    foreign = (await spender(database, tenant="other")).owners.tenant_id
    budget = await limit(manager, ann)
    assert await manager.status(foreign, budget.id) is None
    assert await manager.change(foreign, budget.id, Change(limit_pico=1)) is None
    assert await manager.end(foreign, budget.id) is None
    assert await manager.generate_budget_report(foreign, budget.id) is None
    assert await manager.page(foreign, ended=True) == []
    assert await manager.page(budget.tenant_id) == [budget]


async def test_budgets_are_listed_page_by_page(manager: BudgetManager, ann: Spender) -> None:
    made = [await limit(manager, ann, scope=scope) for scope in SCOPES]
    await manager.end(made[0].tenant_id, made[0].id)
    every = await manager.page(made[0].tenant_id, ended=True)
    assert [budget.id for budget in every] == sorted(budget.id for budget in made)
    first = await manager.page(made[0].tenant_id, limit=2)
    rest = await manager.page(made[0].tenant_id, after=first[-1].id)
    assert [*first, *rest] == sorted(made[1:], key=lambda budget: budget.id)
    team = str(ann.owners.team_id)
    assert await manager.page(made[0].tenant_id, scope="team", owner=team) == [made[1]]
    assert await manager.page(made[0].tenant_id, scope="user", owner=team) == []


async def test_the_statuses_of_a_caller_begin_with_the_tightest(manager: BudgetManager, ann: Spender) -> None:
    wide = await limit(manager, ann, 5_000, scope="tenant")
    tight = await limit(manager, ann, 2_000, scope="key", period="rolling", rolling_hours=1)
    soft = await limit(manager, ann, 1, scope="team", hard=False, period="total")
    told = await manager.statuses(ann.owners)
    assert [status.budget for status in told] == [tight, wide, soft]
    assert told[2].window_end is None
    assert told[0].window_end is not None
    assert told[0].window_end - told[0].window_start == timedelta(minutes=62, seconds=30)
    tightest = await manager.check_budget_availability(ann.owners, 2_001)
    assert tightest is not None
    assert (tightest.budget, tightest.available) == (tight, False)


async def test_m2_the_first_requests_of_an_account_at_once_make_one_row_and_keep_the_limit(
    database: Database,
) -> None:
    ann = await spender(database)
    key = await KeyRing(PostgresKeyStore(database), bytes(32)).create_key(
        "ann", tenant="acme", budget_pico=1_000
    )
    first_use = Spender(ann.ledger, replace(ann.owners, key_id=key.record.id))
    grants = await asyncio.gather(*(first_use.reserve(f"call {n}", 300) for n in range(8)))
    assert [grant.granted_pico for grant in grants].count(300) == 3
    assert await fetch(database, "SELECT limit_pico, posted_pico, pending_pico FROM accounts") == [
        (1_000, 0, 900)
    ]


async def test_budgets_made_under_load_count_every_call_once(url: str) -> None:
    """Four spenders go on while budgets of every scope are made and changed; one of them gets tight ones."""
    database = Database(url, max_size=12)
    manager = BudgetManager(PostgresBudgetStore(database))
    spenders = [await spender(database, user, conversation_id=f"chat {user}") for user in "abcd"]
    made: list[Budget] = []
    refused = 0
    done = asyncio.Event()

    async def spend(of: Spender, worker: int) -> None:
        nonlocal refused
        random = Random(worker)  # noqa: S311 a seeded choice of amounts
        number = 0
        while not done.is_set():
            name = f"{worker}-{(number := number + 1)}"
            amount = random.randint(1, 1_000)
            if (await of.reserve(name, amount)).granted_pico is None:
                refused += 1
                continue
            cost = random.choice((0, amount, amount // 2))
            began = datetime.now(UTC) - timedelta(hours=random.choice((0, 0, 0, 3)))
            await of.tell(name, cost, status="completed" if cost else "failed", created_at=began)

    async def limit_them() -> None:
        periods: tuple[dict[str, Any], ...] = (
            {"period": "rolling", "rolling_hours": 720},
            {"period": "total"},
            {"period": "rolling", "rolling_hours": 8_784},
        )
        try:
            for number in range(30):
                of, scope = spenders[number % 4], SCOPES[number % 5]
                tight = of is spenders[0] and scope in ("user", "key")
                limited = 20_000 if tight else 10**12
                made.append(await limit(manager, of, limited, scope=scope, **periods[number % 3]))
                await manager.change(made[0].tenant_id, made[0].id, Change(limit_pico=10**11 + number))
            while not refused:
                await asyncio.sleep(0.01)
        finally:
            done.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for worker in range(8):
            group.create_task(spend(spenders[worker % 4], worker))
        group.create_task(limit_them())
    assert await fetch(database, UNBALANCED) == []
    for budget in made:
        ((spent,),) = await fetch(
            database,
            "SELECT coalesce(sum(cost_pico), 0) FROM model_usage WHERE row_to_json(model_usage) ->> %s = %s",
            f"{budget.scope}_id",
            budget.owner,
        )
        assert await gone(manager, budget) == (spent, 0), budget
    await database.close()
