"""Reports add up what is in the ledger: each query against its own reckoning over a few thousand calls."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from math import ceil
from random import Random
from typing import Any, TypeVar, get_args
from uuid import UUID

import msgspec
import psycopg
import pytest

from models.errors import InvalidRequest, Overloaded
from models.identity import KeyRing, PostgresKeyStore
from models.ledger import UsageRecord
from models.ledger.usage import Status
from models.reports import Owner, PostgresReports, Selection, TimeRange, UsageQuery
from models.reports.rates import Sizes
from models.reports.rows import SIMPLE, Outcome, OutputLengths, Repeats, Shape, Turns
from models.reports.selection import Dimension
from models.reports.time_range import Bucket
from models.reports.totals import Totals, add_up
from models.store import Database, migrate
from tests.services.conftest import Server
from tests.services.money import fetch

T = TypeVar("T")

START = datetime(2026, 10, 15, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
RANGE = TimeRange(START, START + 33 * DAY)
SIZES = Sizes((1_000, 20_000))
ACME, UMBRELLA = str(UUID(int=1)), str(UUID(int=2))
USERS = [str(UUID(int=100 + n)) for n in range(4)]
TEAMS = [str(UUID(int=200)), str(UUID(int=201)), None]
ALL = Selection(tenant_id=ACME)

INSERT = """
INSERT INTO model_usage SELECT * FROM json_populate_recordset(NULL::model_usage, %s::json)
"""


def made_up(seed: int, *, tenant_id: str, calls: int) -> list[UsageRecord]:
    """Calls of 70 days around RANGE: bursts of conversations, repeated requests, failures, all sizes."""
    random = Random(seed)  # noqa: S311 -- repeatable data
    return [_call(random, f"{tenant_id[-1]}-{number:05}", tenant_id) for number in range(calls)]


def _call(random: Random, name: str, tenant_id: str) -> UsageRecord:
    status = random.choices(get_args(Status), (90, 5, 3, 2))[0]
    conversation = random.choice([None, *(f"c{n}" for n in range(12))])
    begun = START - 35 * DAY + random.randrange(70 * 24 * 60) * timedelta(minutes=1)
    if conversation is not None:
        begun = begun.replace(hour=9, minute=random.randrange(30))
    cost = random.choice((0, random.randrange(10**12), 10**25))
    return UsageRecord(
        request_id=name,
        attempt=random.choice((0, 0, 0, 1)),
        tenant_id=tenant_id,
        user_id=random.choice(USERS),
        team_id=random.choice(TEAMS),
        key_id=random.choice(("k1", "k2", "k3", None)),
        conversation_id=conversation,
        model_id=random.choice(("big", "mid", "small")),
        requested_model="auto",
        provider=random.choice(("openai", "google")),
        endpoint=random.choice(("/v1/chat/completions", "/v1/messages", "/jobs")),
        task=random.choice(("code", "translation", None)),
        stream=random.random() < 0.5,
        status=status,
        input_tokens=random.choice((0, 10, 1_000, 1_400, 8_000, 25_000)),
        cache_read_tokens=random.choice((0, 0, 200, 5_000)),
        cache_write_5m_tokens=random.choice((0, 0, 300)),
        cache_write_1h_tokens=random.choice((0, 0, 400)),
        output_tokens=random.choice((0, 50, 399, 400, 401, 3_000)),
        reasoning_tokens=random.choice((0, 0, 200, 201)),
        service_tier=random.choice(("", "default", "flex")),
        cost_pico=cost,
        discount_pico=cost // 10,
        saved_pico=random.randrange(-100, 1_000),
        price_snapshot="s",
        estimated=random.random() < 0.1,
        response_time_ms=1,
        error_code=random.choice((None, "provider_timeout")) if status == "failed" else None,
        usage_details=random.choice((None, None, None, {"audio_input": 5})),
        request_digest=random.choice((None, *(f"\\x{n:02x}" for n in range(40)))),
        created_at=begun,
    )


CALLS = made_up(7, tenant_id=ACME, calls=3_000)


async def insert(database: Database, calls: Iterable[UsageRecord]) -> None:
    rows = [
        {**msgspec.to_builtins(call), "id": str(UUID(int=number, version=4))}
        for number, call in enumerate(calls)
    ]

    async def run(connection: psycopg.AsyncConnection) -> None:
        await connection.execute(INSERT, (json.dumps(rows),))

    await database.run(run)


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[str]:
    """The address of a database with all the calls; nothing here changes it."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE reports")
        url = server.url("reports")
        asyncio.run(_fill(url))
        yield url
        connection.execute("DROP DATABASE reports WITH (FORCE)")


async def _fill(url: str) -> None:
    await migrate(url)
    database = Database(url)
    await insert(database, [*CALLS, *made_up(8, tenant_id=UMBRELLA, calls=500)])
    await database.close()


@pytest.fixture
async def reports(filled: str) -> AsyncIterator[PostgresReports]:
    database = Database(filled, max_size=2)
    yield PostgresReports(database)
    await database.close()


def within(time_range: TimeRange, *, user_id: str | None = None) -> list[UsageRecord]:
    return [
        call
        for call in CALLS
        if time_range.start <= call.created_at < time_range.end and user_id in (None, call.user_id)
    ]


def totals_of(calls: Sequence[UsageRecord]) -> Totals:
    def count(holds: Callable[[UsageRecord], bool]) -> int:
        return sum(map(holds, calls))

    def total(field: str) -> int:
        return sum(getattr(call, field) for call in calls)

    return Totals(
        calls=len(calls),
        requests=count(lambda call: call.attempt == 0),
        errors=count(lambda call: call.status in ("failed", "expired")),
        cancelled=count(lambda call: call.status == "cancelled"),
        estimated_calls=count(lambda call: call.estimated),
        input_tokens=total("input_tokens"),
        cache_read_tokens=total("cache_read_tokens"),
        cache_write_5m_tokens=total("cache_write_5m_tokens"),
        cache_write_1h_tokens=total("cache_write_1h_tokens"),
        output_tokens=total("output_tokens"),
        reasoning_tokens=total("reasoning_tokens"),
        spend_pico=total("cost_pico"),
        discount_pico=total("discount_pico"),
        saved_pico=total("saved_pico"),
        estimated_pico=sum(call.cost_pico for call in calls if call.estimated),
    )


COLUMNS: dict[Dimension, str] = {
    "model": "model_id",
    "provider": "provider",
    "user": "user_id",
    "team": "team_id",
    "key": "key_id",
    "task": "task",
    "conversation": "conversation_id",
    "status": "status",
    "endpoint": "endpoint",
}


def key_of(call: UsageRecord, group_by: Iterable[Dimension]) -> Any:
    return tuple((dimension, getattr(call, COLUMNS[dimension])) for dimension in group_by)


def by(calls: Iterable[UsageRecord], key: Callable[[UsageRecord], Any]) -> dict[Any, list[UsageRecord]]:
    groups: dict[Any, list[UsageRecord]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return groups


def query(*group_by: Dimension, **changes: Any) -> UsageQuery:
    fields: dict[str, Any] = {
        "selection": ALL,
        "time_range": RANGE,
        "group_by": group_by,
        "bucket": "week",
        "groups": 500,
    }
    return UsageQuery(**{**fields, **changes}).checked()


@pytest.mark.parametrize("bucket", ["hour", "day", "week", "month"])
async def test_each_bucket_holds_its_calls(reports: PostgresReports, bucket: Bucket) -> None:
    time_range = TimeRange(RANGE.start, RANGE.start + 20 * DAY)
    cells = await reports.usage(query(bucket=bucket, time_range=time_range), time_range)
    expected = {
        stretch: totals_of(calls) for stretch in time_range.buckets(bucket) if (calls := within(stretch))
    }
    assert {cell.time_range: cell.totals for cell in cells} == expected
    assert len(cells) == len(expected)


@pytest.mark.parametrize("group_by", [*((dimension,) for dimension in COLUMNS), ("model", "user", "task")])
async def test_each_dimension_splits_them(reports: PostgresReports, group_by: tuple[Dimension, ...]) -> None:
    cells = await reports.usage(query(*group_by), RANGE)
    expected = {
        (stretch, key): totals_of(calls)
        for stretch in RANGE.buckets("week")
        for key, calls in by(within(stretch), lambda call: key_of(call, group_by)).items()
    }
    assert {(cell.time_range, cell.key): cell.totals for cell in cells} == expected


@pytest.mark.parametrize(
    ("selected", "kept"),
    [
        ({"models": ("big", "mid")}, lambda c: c.model_id in ("big", "mid")),
        ({"providers": ("google",)}, lambda c: c.provider == "google"),
        ({"users": (USERS[0], USERS[1])}, lambda c: c.user_id in USERS[:2]),
        ({"teams": (TEAMS[0],)}, lambda c: c.team_id == TEAMS[0]),
        ({"keys": ("k1",)}, lambda c: c.key_id == "k1"),
        ({"tasks": ("code",)}, lambda c: c.task == "code"),
        ({"conversations": ("c1", "c2")}, lambda c: c.conversation_id in ("c1", "c2")),
        ({"statuses": ("failed", "expired")}, lambda c: c.status in ("failed", "expired")),
        ({"endpoints": ("/jobs",)}, lambda c: c.endpoint == "/jobs"),
        ({"models": ("'; DROP TABLE model_usage; --",)}, lambda _: False),
        ({"models": ("big",), "keys": ("k2",)}, lambda c: c.model_id == "big" and c.key_id == "k2"),
    ],
)
async def test_filters_keep_what_they_name(
    reports: PostgresReports, selected: dict[str, Any], kept: Callable[[UsageRecord], bool]
) -> None:
    selection = Selection(tenant_id=ACME, **selected)
    cells = await reports.usage(query(selection=selection), RANGE)
    assert add_up(cell.totals for cell in cells) == totals_of([c for c in within(RANGE) if kept(c)])
    days = RANGE.buckets("day")
    assert await reports.daily_spend(selection, days) == [
        sum(call.cost_pico for call in within(day) if kept(call)) for day in days
    ]


async def test_the_dearest_groups_are_named_and_the_others_are_one(reports: PostgresReports) -> None:
    cells = await reports.usage(query("conversation", groups=3, compare=True), RANGE)
    groups = by(within(RANGE), lambda call: key_of(call, ("conversation",)))
    spend = {key: sum(call.cost_pico for call in calls) for key, calls in groups.items()}
    dearest = sorted(spend, key=lambda key: -spend[key])[:3]
    assert {cell.key for cell in cells if not cell.other} == set(dearest)
    for stretch in [RANGE.before(), *RANGE.buckets("week")]:
        rest = [c for c in within(stretch) if key_of(c, ("conversation",)) not in dearest]
        (found,) = [cell for cell in cells if cell.other and cell.time_range == stretch]
        assert (found.key, found.totals) == ((), totals_of(rest))


async def test_the_time_before_is_one_stretch_and_ranks_nobody(reports: PostgresReports) -> None:
    cells = await reports.usage(query("model", compare=True), RANGE)
    before = {cell.key: cell.totals for cell in cells if cell.time_range == RANGE.before()}
    expected = by(within(RANGE.before()), lambda call: key_of(call, ("model",)))
    assert before == {key: totals_of(calls) for key, calls in expected.items()}


async def test_users_teams_and_keys_have_their_names(database: Database) -> None:
    issued = await KeyRing(PostgresKeyStore(database), bytes(32)).create_key(
        "ann", tenant="acme", team="search", name="laptop"
    )
    key = issued.record
    owned = msgspec.structs.replace(
        CALLS[0], tenant_id=key.tenant_id, user_id=key.user_id, team_id=key.team_id, key_id=key.id
    )
    gone = msgspec.structs.replace(owned, request_id="gone", user_id=USERS[0], team_id=None, key_id="gone")
    await insert(database, [owned, gone])
    asked = query(
        "user", "team", "key",
        selection=Selection(tenant_id=key.tenant_id),
        time_range=TimeRange(owned.created_at, owned.created_at + DAY),
    )  # fmt: skip
    cells = await PostgresReports(database).usage(asked, asked.time_range)
    assert {cell.key: dict(cell.names) for cell in cells} == {
        (("user", key.user_id), ("team", key.team_id), ("key", key.id)): {
            "user": "ann",
            "team": "search",
            "key": "laptop",
        },
        (("user", USERS[0]), ("team", None), ("key", "gone")): {},
    }


def total_input(call: UsageRecord) -> int:
    cached = call.cache_read_tokens + call.cache_write_5m_tokens + call.cache_write_1h_tokens
    return call.input_tokens + cached


def is_simple(call: UsageRecord) -> bool:
    if call.attempt:
        return False
    if call.task is None:
        return total_input(call) <= 1_500 and call.output_tokens <= 400 and call.reasoning_tokens <= 200
    return call.task == "translation" and total_input(call) <= 8_000 and call.output_tokens <= 2_000


@pytest.mark.parametrize("user_id", [None, USERS[2]])
async def test_calls_are_shaped_by_what_they_could_be_priced_as(
    reports: PostgresReports, user_id: str | None
) -> None:
    calls = [c for c in within(RANGE, user_id=user_id) if c.status == "completed" and not c.usage_details]
    # Here every key streams something, so that only the job endpoint is unattended.
    watched = {call.key_id for call in calls if call.stream}
    groups = by(
        calls,
        lambda c: (
            c.model_id,
            c.service_tier,
            SIZES.class_of(total_input(c)),
            is_simple(c),
            c.endpoint == "/jobs" or c.key_id not in watched,
        ),
    )
    expected = [
        Shape(
            model_id=model_id,
            service_tier=tier,
            size=size,
            simple=simple,
            unattended=unattended,
            calls=len(found),
            list_pico=sum(c.cost_pico + c.discount_pico for c in found),
            **{
                field: sum(getattr(c, field) for c in found)
                for field in Shape.__struct_fields__
                if field.endswith("_tokens")
            },
        )
        for (model_id, tier, size, simple, unattended), found in groups.items()
    ]
    shapes = await reports.shapes(
        Owner(ACME, user_id), RANGE, sizes=SIZES, simple=SIMPLE, background=("/jobs",)
    )
    assert sorted(shapes, key=str) == sorted(expected, key=str)


async def test_a_key_that_streams_nothing_is_not_watched(database: Database) -> None:
    still, live = CALLS[:20], CALLS[20:40]
    calls = [
        msgspec.structs.replace(
            call, key_id=key, stream=stream, status="completed", usage_details=None, created_at=START
        )
        for key, stream, some in (("still", False, still), ("live", True, live))
        for call in some
    ]
    await insert(database, calls)
    shapes = await PostgresReports(database).shapes(
        Owner(ACME), RANGE, sizes=SIZES, simple=SIMPLE, background=()
    )
    assert {
        unattended: sum(s.calls for s in shapes if s.unattended is unattended) for unattended in (True, False)
    } == {
        True: 20,
        False: 20,
    }


@pytest.mark.parametrize("user_id", [None, USERS[1]])
async def test_turns_within_minutes_share_what_both_are_long(
    reports: PostgresReports, user_id: str | None
) -> None:
    calls = [
        c
        for c in within(RANGE, user_id=user_id)
        if c.status == "completed" and not c.usage_details and c.conversation_id and total_input(c) >= 1_024
    ]
    conversations = by(calls, lambda c: (c.user_id, c.conversation_id, c.model_id))
    sums: dict[tuple[str, str, int], list[int]] = {}
    for turns in conversations.values():
        turns.sort(key=lambda c: (c.created_at, c.request_id))
        shared = [
            min(total_input(a), total_input(b))
            if b.created_at - a.created_at <= timedelta(minutes=5)
            else None
            for a, b in pairwise(turns)
        ]
        for call, seen, wanted in zip(turns, [None, *shared], [*shared, None], strict=True):
            place = (call.model_id, call.service_tier, SIZES.class_of(total_input(call)))
            row = sums.setdefault(place, [0] * 5)
            if seen is not None:
                row[0] += 1
                row[1] += total_input(call)
                row[2] += call.cache_read_tokens
                row[3] += min(max(seen - call.cache_read_tokens, 0), call.input_tokens)
            if wanted is not None:
                written = call.cache_write_5m_tokens + call.cache_write_1h_tokens
                new = wanted - max(seen or 0, call.cache_read_tokens) - written
                row[4] += min(max(new, 0), call.input_tokens)
    found = await reports.turns(Owner(ACME, user_id), RANGE, sizes=SIZES)
    assert {(t.model_id, t.service_tier, t.size): t for t in found} == {
        (model_id, tier, size): Turns(
            model_id=model_id,
            service_tier=tier,
            size=size,
            followups=row[0],
            total_input=row[1],
            read=row[2],
            missed=row[3],
            unwritten=row[4],
        )
        for (model_id, tier, size), row in sums.items()
    }
    assert sum(t.followups for t in found) > 0


@pytest.mark.parametrize("user_id", [None, USERS[3]])
async def test_requests_that_come_again_within_a_day_cost_once(
    reports: PostgresReports, user_id: str | None
) -> None:
    repeated = [
        calls
        for day in RANGE.buckets("day")
        for calls in by(
            (c for c in within(day, user_id=user_id) if c.status == "completed" and c.request_digest),
            lambda c: (c.user_id, c.model_id, c.request_digest),
        ).values()
        if len(calls) > 1
    ]

    def avoidable(calls: Sequence[UsageRecord]) -> int:
        costs = [call.cost_pico for call in calls]
        return sum(costs) - max(costs)

    expected = []
    for model_id in ("big", "mid", "small"):
        groups = [calls for calls in repeated if calls[0].model_id == model_id]
        groups.sort(key=lambda calls: (-avoidable(calls), min(c.request_id for c in calls)))
        if groups:
            expected.append(
                Repeats(
                    model_id=model_id,
                    prompts=len(groups),
                    calls=sum(map(len, groups)),
                    spend_pico=sum(call.cost_pico for calls in groups for call in calls),
                    avoidable_pico=sum(map(avoidable, groups)),
                    examples=tuple(min(c.request_id for c in calls) for calls in groups[:3]),
                )
            )
    found = await reports.repeats(Owner(ACME, user_id), RANGE)
    assert sorted(found, key=lambda row: row.model_id) == expected
    assert expected


async def test_outcomes_are_all_there_is(reports: PostgresReports) -> None:
    groups = by(within(RANGE), lambda c: (c.status, c.model_id, c.error_code or ""))
    expected = {
        Outcome(
            status=status,
            model_id=model_id,
            error_code=error_code,
            calls=len(calls),
            spend_pico=sum(c.cost_pico for c in calls),
            estimated_pico=sum(c.cost_pico for c in calls if c.estimated),
        )
        for (status, model_id, error_code), calls in groups.items()
    }
    assert set(await reports.outcomes(Owner(ACME), RANGE)) == expected


async def test_a_requests_charges_are_told_to_whom_they_belong(reports: PostgresReports) -> None:
    call = CALLS[0]
    (record,) = await reports.charges(Owner(ACME, call.user_id), call.request_id)
    assert (record.cost_pico, record.attempt, record.timestamp) == (
        call.cost_pico,
        call.attempt,
        call.created_at,
    )
    assert record.tokens_used == total_input(call) + call.output_tokens
    assert await reports.charges(Owner(ACME), call.request_id) == [record]
    another = next(user for user in USERS if user != call.user_id)
    assert await reports.charges(Owner(ACME, another), call.request_id) == []
    assert await reports.charges(Owner(UMBRELLA), call.request_id) == []


async def test_answers_are_as_long_as_the_newest_were(reports: PostgresReports) -> None:
    since = RANGE.end - 10 * DAY
    calls = [c for c in CALLS if c.created_at >= since and c.status == "completed" and c.output_tokens]
    found = {row.model_id: row for row in await reports.output_lengths(Owner(ACME), since=since)}
    for model_id, group in groupby(sorted(calls, key=lambda c: c.model_id), key=lambda c: c.model_id):
        lengths = sorted(call.output_tokens for call in group)
        assert found.pop(model_id) == OutputLengths(
            model_id=model_id,
            calls=len(lengths),
            p10=lengths[ceil(0.1 * len(lengths)) - 1],
            mean=round(sum(lengths) / len(lengths)),
            p90=lengths[ceil(0.9 * len(lengths)) - 1],
        )
    assert found == {}


async def test_of_no_time_there_is_nothing(reports: PostgresReports) -> None:
    none = TimeRange(RANGE.end, RANGE.end)
    assert await reports.usage(query("model", compare=True), none) == []
    assert await reports.repeats(Owner(ACME), none) == []


async def test_reports_are_never_prepared(url: str) -> None:
    """A plan for any parameters could neither leave out dimensions nor count on an index."""
    database = Database(url, max_size=1)
    reports = PostgresReports(database)
    try:
        for _ in range(12):
            await reports.usage(query("model"), RANGE)
        rows = await fetch(database, "SELECT statement FROM pg_prepared_statements")
        assert not [row for row in rows if "model_usage" in row[0]]
    finally:
        await database.close()


async def test_a_report_that_takes_too_long_is_ended_and_said_so(url: str) -> None:
    database = Database(url, max_size=1)
    reports = PostgresReports(database, statement_timeout_s=0.2)
    try:
        async with await psycopg.AsyncConnection.connect(url) as holder:
            await holder.execute("LOCK TABLE model_usage IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(InvalidRequest, match="shorter range"):
                await reports.outcomes(Owner(ACME), RANGE)
        assert await reports.outcomes(Owner(ACME), RANGE) == []
    finally:
        await database.close()


class Watched(Database):
    """Knows how many of its connections were in use at once."""

    now = most = 0

    async def run(self, operation: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await super().run(operation)
        finally:
            self.now -= 1


async def test_reports_leave_connections_to_others(filled: str) -> None:
    database = Watched(filled, max_size=4)
    reports = PostgresReports(database)
    try:
        found = await asyncio.gather(*(reports.outcomes(Owner(ACME), RANGE) for _ in range(10)))
        assert len({len(rows) for rows in found}) == 1
        assert database.most == 2
    finally:
        await database.close()


async def test_a_database_that_is_away_is_said_so() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none", acquire_timeout_s=0.2)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(Overloaded):
                await PostgresReports(database).outcomes(Owner(ACME), RANGE)
    finally:
        await database.close()
