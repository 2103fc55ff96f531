"""What calls cost while the ledger is away is kept on disk and told later, whoever is left to tell it."""

import asyncio
from pathlib import Path

import pytest

from models.errors import Internal, Overloaded
from models.ledger import Ask, UsageRecord
from models.ledger import outbox as outbox_module
from models.ledger.durable import DurableLedger
from models.ledger.outbox import Outbox
from tests.ledger_samples import ask, record


class Ledger:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.error: Exception | None = None
        self.hangs = False

    async def reserve(self, ask: Ask) -> int:
        return ask.most_pico

    async def settle(self, record: UsageRecord) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.told.append(record.op_key)

    async def renew(self, records: object) -> None: ...


def set_aside(directory: Path) -> int:
    return len((directory / "refused.jsonl").read_bytes().splitlines())


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b'{"request_id": "half')


def segments(directory: Path) -> list[Path]:
    return list(directory.glob("*.outbox"))


async def test_what_is_kept_is_told_once_and_forgotten(tmp_path: Path) -> None:
    outbox, ledger = Outbox(tmp_path), Ledger()
    await asyncio.gather(*(outbox.append(record(f"r{n}")) for n in range(100)))
    assert len(segments(tmp_path)) == 1
    assert await outbox.tell(ledger.settle) == 100
    assert sorted(ledger.told) == sorted(f"r{n}/0" for n in range(100))
    assert segments(tmp_path) == []
    assert await outbox.tell(ledger.settle) == 0


async def test_what_could_not_be_told_stays(tmp_path: Path) -> None:
    outbox, ledger = Outbox(tmp_path), Ledger()
    await outbox.append(record("r"))
    ledger.error = Overloaded("away")
    with pytest.raises(Overloaded):
        await outbox.tell(ledger.settle)
    await outbox.append(record("s"))
    ledger.error = None
    assert await outbox.tell(ledger.settle) == 2
    assert sorted(ledger.told) == ["r/0", "s/0"]


async def test_the_next_process_tells_what_a_dead_one_kept(tmp_path: Path) -> None:
    dead, living, ledger = Outbox(tmp_path), Outbox(tmp_path), Ledger()
    await dead.append(record("r"))
    assert await living.tell(ledger.settle) == 0  # it is still held
    dead.close()
    assert await living.tell(ledger.settle) == 1
    assert ledger.told == ["r/0"]


async def test_a_line_that_was_cut_off_is_not_told(tmp_path: Path) -> None:
    dead, ledger = Outbox(tmp_path), Ledger()
    await dead.append(record("r"))
    dead.close()
    cut_off(segments(tmp_path)[0])
    assert await Outbox(tmp_path).tell(ledger.settle) == 1


async def test_what_is_refused_for_good_is_set_aside(tmp_path: Path) -> None:
    outbox, ledger = Outbox(tmp_path), Ledger()
    await outbox.append(record("r"))
    ledger.error = Internal("never")
    assert await outbox.tell(ledger.settle) == 1
    assert set_aside(tmp_path) == 1


async def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_BYTES", 10)
    with pytest.raises(Overloaded):
        await Outbox(tmp_path).append(record("r"))


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_p10_answers_do_not_wait_for_a_ledger_that_is_away(tmp_path: Path, how: str) -> None:
    ledger = Ledger()
    ledger.hangs = how == "hangs"
    ledger.error = Overloaded("away") if how == "refuses" else None
    durable = DurableLedger(ledger, Outbox(tmp_path), patience_s=0.02)
    async with asyncio.timeout(1):
        await asyncio.gather(*(durable.settle(record(f"r{n}")) for n in range(20)))
    assert ledger.told == []
    ledger.hangs, ledger.error = False, None
    await durable.tell_kept()
    await durable.settle(record("after"))
    assert sorted(ledger.told) == sorted(["after/0", *(f"r{n}/0" for n in range(20))])


async def test_while_it_is_away_nothing_is_waited_for_twice(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.hangs = True
    durable = DurableLedger(ledger, Outbox(tmp_path), patience_s=0.05)
    await durable.settle(record("first"))
    async with asyncio.timeout(0.04):
        await durable.settle(record("second"))
    assert await durable.reserve(ask()) == 1_000
