"""Group commit of usage records."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from models.errors import Internal, Overloaded
from models.ledger import UsageRecord
from models.ledger import batcher as batcher_module
from models.ledger.batcher import UsageBatcher
from models.ledger.usage import InMemoryUsageStore


def record(request_id: str) -> UsageRecord:
    return UsageRecord(
        request_id=request_id,
        model_id="m",
        provider="p",
        endpoint="e",
        status="completed",
        response_time_ms=1,
        created_at=datetime.now(UTC),
    )


class SlowStore(InMemoryUsageStore):
    """Each transaction takes a turn; `poison` cannot be stored; `away` fails all."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.away: Exception | None = None

    async def record_many(self, records: Sequence[UsageRecord]) -> None:
        self.batches.append(len(records))
        await asyncio.sleep(0.001)
        if self.away is not None:
            raise self.away
        if any(r.request_id == "poison" for r in records):
            raise Internal("refused")
        await super().record_many(records)


async def test_what_comes_while_a_transaction_runs_is_the_next_one() -> None:
    store = SlowStore()
    batcher = UsageBatcher(store)
    first = asyncio.create_task(batcher.record(record("0")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(first, *(batcher.record(record(str(n))) for n in range(1, 101)))
    assert store.batches == [1, 100]


async def test_one_bad_record_spoils_no_neighbour() -> None:
    store = SlowStore()
    batcher = UsageBatcher(store)
    names = ["a", "poison", "b"]
    outcomes = await asyncio.gather(*(batcher.record(record(n)) for n in names), return_exceptions=True)
    assert [type(o) for o in outcomes] == [type(None), Internal, type(None)]
    assert [len(await store.of_request(n)) for n in names] == [1, 0, 1]


async def test_while_the_store_is_away_records_wait_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher_module, "AWAY_S", 0.01)
    store = SlowStore()
    batcher = UsageBatcher(store)
    store.away = Overloaded("away")
    waiting = [asyncio.create_task(batcher.record(record(str(n)))) for n in range(5)]
    impatient = asyncio.create_task(batcher.record(record("impatient")))
    await asyncio.sleep(0.05)
    impatient.cancel()
    store.away = None
    await asyncio.gather(*waiting)
    await batcher.flush()
    for name in ["0", "1", "2", "3", "4", "impatient"]:
        assert len(await store.of_request(name)) == 1


async def test_whoever_waits_hears_of_a_bug_and_the_next_batch_goes_on() -> None:
    store = SlowStore()
    batcher = UsageBatcher(store)
    store.away = KeyError("bug")
    with pytest.raises(Internal):
        await batcher.record(record("a"))
    store.away = None
    await batcher.record(record("a"))
    assert len(await store.of_request("a")) == 1
