"""Usage records reach PostgreSQL whole, once, and exactly as they were."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from msgspec.structs import replace

from models.errors import Internal
from models.ledger import InMemoryUsageStore, PostgresUsageStore, UsageRecord, UsageStore
from models.store import Database

FULL = UsageRecord(
    request_id="req-1",
    attempt=1,
    tenant_id=str(uuid4()),
    user_id=str(uuid4()),
    key_id="abcdefghijkl",
    conversation_id="a name of the client's",
    model_id="gpt-6.1-sol",
    provider="openai",
    endpoint="/v1/chat/completions",
    stream=True,
    status="failed",
    input_tokens=1,
    cache_read_tokens=2,
    cache_write_5m_tokens=3,
    cache_write_1h_tokens=4,
    output_tokens=5,
    reasoning_tokens=6,
    service_tier="flex",
    cost_pico=9_000_000_000_000_000_001,
    price_snapshot="0123456789abcdef",
    estimated=True,
    response_time_ms=7,
    first_token_ms=8,
    error_code="provider_timeout",
    created_at=datetime(2026, 11, 23, 12, 30, 15, 123456, tzinfo=UTC),
)
BARE = UsageRecord(
    request_id="req-2",
    model_id="m",
    provider="p",
    endpoint="/",
    status="completed",
    response_time_ms=0,
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
)


@pytest.fixture(params=["postgres", "memory"])
def store(request: pytest.FixtureRequest) -> UsageStore:
    if request.param == "memory":
        return InMemoryUsageStore()
    return PostgresUsageStore(request.getfixturevalue("database"))


@pytest.mark.parametrize("record", [FULL, BARE], ids=["every field", "no optional field"])
async def test_what_is_recorded_is_read_back(store: UsageStore, record: UsageRecord) -> None:
    await store.record_many([record])
    assert await store.of_request(record.request_id) == [record]


async def test_recording_again_changes_nothing(store: UsageStore) -> None:
    await store.record_many([BARE, BARE])
    await store.record_many([replace(BARE, cost_pico=5), replace(BARE, attempt=1)])
    assert await store.of_request("req-2") == [BARE, replace(BARE, attempt=1)]


async def test_nothing_is_recorded_for_no_records(store: UsageStore) -> None:
    await store.record_many([])
    assert await store.of_request("req-2") == []


async def test_batches_with_rows_in_common_do_not_block_each_other(store: UsageStore) -> None:
    rows = [replace(BARE, attempt=n) for n in range(50)]
    await asyncio.gather(*(store.record_many(rows[::step]) for step in (1, -1, 2, -2) for _ in range(5)))
    assert await store.of_request("req-2") == rows


@pytest.mark.parametrize(
    "bad",
    [
        replace(BARE, attempt=1, model_id="nul \0"),
        replace(BARE, attempt=1, user_id="not a uuid"),
        replace(BARE, attempt=1, cost_pico=-1),
        replace(BARE, attempt=1, cost_pico=10**38),
        replace(BARE, attempt=1, error_code="half a \ud83d pair"),
    ],
)
async def test_a_record_that_is_refused_takes_its_batch_with_it(database: Database, bad: UsageRecord) -> None:
    store = PostgresUsageStore(database)
    with pytest.raises(Internal, match="usage record"):
        await store.record_many([BARE, bad])
    assert await store.of_request("req-2") == []
