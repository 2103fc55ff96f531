"""A usage record crosses process boundaries as it is."""

import pickle
from datetime import UTC, datetime

import msgspec

from models.ledger import InMemoryUsageStore, UsageRecord

RECORD = UsageRecord(
    request_id="r",
    model_id="m",
    provider="p",
    endpoint="/",
    status="cancelled",
    cost_pico=2**63,
    response_time_ms=1,
    created_at=datetime(2026, 11, 23, tzinfo=UTC),
)


def test_it_survives_every_way_between_processes() -> None:
    assert pickle.loads(pickle.dumps(RECORD)) == RECORD  # noqa: S301 - made on the line itself
    assert msgspec.json.decode(msgspec.json.encode(RECORD), type=UsageRecord) == RECORD
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(RECORD), type=UsageRecord) == RECORD


async def test_the_double_keeps_the_newest() -> None:
    store = InMemoryUsageStore(max_records=2)
    await store.record_many([msgspec.structs.replace(RECORD, attempt=n) for n in range(3)])
    assert [r.attempt for r in await store.of_request("r")] == [1, 2]
