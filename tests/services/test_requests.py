"""What became of a request, read back from the ledger."""

from datetime import UTC, datetime, timedelta

import pytest

from models.errors import InvalidRequest
from models.ledger import Ask
from models.ledger.requests import PostgresRequestLog
from models.store import Database
from tests.services.money import Spender, spender

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
async def ann(database: Database) -> Spender:
    return await spender(database)


@pytest.fixture
def log(database: Database) -> PostgresRequestLog:
    return PostgresRequestLog(database)


async def test_every_attempt_and_every_movement_is_told(ann: Spender, log: PostgresRequestLog) -> None:
    tenant, user = ann.owners.tenant_id, ann.owners.user_id
    await ann.reserve("req", 500)
    failed = ann.record("req", 0, status="failed", error_code="provider_timeout", created_at=NOON)
    second = ann.record("req", 400, attempt=1, discount_pico=20, created_at=NOON + timedelta(seconds=1))
    await ann.ledger.apply([failed], [])
    asked = Ask(
        op_key="req/1",
        tenant_id=tenant,
        least_pico=500,
        usual_pico=500,
        most_pico=500,
        record=ann.record("req", 500, attempt=1, status="expired", created_at=second.created_at),
    )
    await ann.ledger.apply([], [asked])

    under_way = await log.find(tenant, "req", user_id=user)
    assert under_way is not None
    assert under_way.attempts == (failed,)
    assert [(hold.amount_pico, hold.record.attempt) for hold in under_way.holds] == [(500, 1)]

    await ann.ledger.apply([second], [])
    trail = await log.find(tenant, "req", user_id=None)
    assert trail is not None
    assert trail.attempts == (failed, second)
    assert trail.holds == ()
    assert [(m.op_key, m.kind, m.amount_pico, m.posted_pico) for m in trail.movements] == [
        ("req/0", "reserve", 500, 0),
        ("req/0:end", "release", 0, 0),
        ("req/1", "reserve", 500, 0),
        ("req/1:end", "settle", 400, 400),
    ]
    assert trail.movements[3].price_snapshot == "s"
    assert trail.cost_pico == 400


async def test_a_correction_is_told_too(ann: Spender, log: PostgresRequestLog) -> None:
    await ann.reserve("req", 500)
    await ann.tell("req", 500, status="expired", estimated=True)
    await ann.tell("req", 300)
    trail = await log.find(ann.owners.tenant_id, "req", user_id=None)
    assert trail is not None
    assert [(m.kind, m.amount_pico, m.posted_pico) for m in trail.movements] == [
        ("reserve", 500, 0),
        ("expire", 500, 500),
        ("adjust", 200, -200),
    ]
    assert trail.cost_pico == 300


async def test_a_request_is_told_to_its_user_and_within_its_tenant(
    database: Database, ann: Spender, log: PostgresRequestLog
) -> None:
    bob, foreign = await spender(database, "bob"), await spender(database, tenant="other")
    await ann.tell("ended", 5)
    await ann.reserve("under way", 5)
    for name in ("ended", "under way"):
        assert await log.find(ann.owners.tenant_id, name, user_id=ann.owners.user_id) is not None
        assert await log.find(ann.owners.tenant_id, name, user_id=None) is not None
        assert await log.find(ann.owners.tenant_id, name, user_id=bob.owners.user_id) is None
        assert await log.find(foreign.owners.tenant_id, name, user_id=None) is None
    assert await log.page(foreign.owners.tenant_id, user_id=None, after="", limit=10) == []
    assert await log.page(ann.owners.tenant_id, user_id=bob.owners.user_id, after="", limit=10) == []


async def test_requests_come_newest_first_page_by_page(
    database: Database, ann: Spender, log: PostgresRequestLog
) -> None:
    tenant = ann.owners.tenant_id
    bob = await spender(database, "bob")
    for number in range(7):
        # Two begin at the same moment, and each has a second attempt that began later than the next one.
        at = NOON + timedelta(minutes=number // 2)
        await ann.tell(f"req-{number}", 1, status="failed", created_at=at)
        await ann.tell(f"req-{number}", 1, attempt=1, created_at=at + timedelta(hours=1))
    await bob.tell("his", 1, created_at=NOON)
    names: list[str] = []
    while page := await log.page(
        tenant, user_id=ann.owners.user_id, after=names[-1] if names else "", limit=3
    ):
        names += [trail.request_id for trail in page]
        assert all([attempt.attempt for attempt in trail.attempts] == [0, 1] for trail in page)
    assert names == [f"req-{number}" for number in reversed(range(7))]
    everybody = await log.page(tenant, user_id=None, after="", limit=100)
    assert [trail.request_id for trail in everybody] == [*names[:-2], "req-1", "req-0", "his"]
    for unknown in ("nothing", "foreign"):
        with pytest.raises(InvalidRequest):
            await log.page(tenant, user_id=None, after=unknown, limit=3)
