"""The catalogue follows its file, and never leaves a good state for a bad one."""

import asyncio
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.catalog import Catalog, CatalogError, LiveCatalog, load_catalog
from models.errors import UnknownPrice

LUNA = '[[models]]\nid = "gpt-6-luna"\n[[models.prices]]\nfrom = 2026-01-01\nsource = "mine"\n'
CHEAP = LUNA + 'rates = [{ input = "0.1", output = "0.2" }]\n'
DEAR = LUNA + 'rates = [{ input = "0.9", output = "0.8" }]\n'
CORRUPT = "[[models"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    return tmp_path / "overlay.toml"


def input_rate(catalog: Catalog) -> int:
    price = catalog.price_at(catalog.models["gpt-6-luna"], NOW)
    rates = price.rates_for("standard", total_input=1)
    assert rates is not None
    return rates.input


def replace(path: Path, text: str) -> None:
    """As an operator should: the file is there as a whole or not at all."""
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.rename(path)


def test_without_a_file_the_bundled_catalogue_stays() -> None:
    live = LiveCatalog(None)
    assert live.refresh() == "unchanged"
    assert live.current.snapshot == load_catalog().snapshot
    assert live.alarm is None


def test_a_file_that_appears_is_taken_up_and_each_change_of_it(overlay: Path) -> None:
    live = LiveCatalog(overlay)
    assert live.refresh() == "unchanged"
    bundled = live.current
    replace(overlay, CHEAP)
    assert live.refresh() == "reloaded"
    assert live.refresh() == "unchanged"
    cheap = live.current
    replace(overlay, DEAR)  # as long as the one before, and as quick as a clock's tick
    assert live.refresh() == "reloaded"
    assert [input_rate(c) for c in (cheap, live.current)] == [100_000, 900_000]
    assert len({bundled.snapshot, cheap.snapshot, live.current.snapshot}) == 3


def test_a_change_in_place_within_one_tick_of_the_clock_is_seen(overlay: Path) -> None:
    overlay.write_text(CHEAP)
    live = LiveCatalog(overlay)
    stamp = overlay.stat()
    overlay.write_text(DEAR)
    os.utime(overlay, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert live.refresh() == "reloaded"
    assert input_rate(live.current) == 900_000


def test_an_unchanged_file_is_not_read_again(overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay.write_text(CHEAP)
    monkeypatch.setattr("models.catalog.live.time.time", lambda: 10**10)
    live = LiveCatalog(overlay)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
        assert live.refresh() == "unchanged"
    overlay.touch()
    assert live.refresh() == "unchanged"
    replace(overlay, CORRUPT)
    assert live.refresh() == "refused"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
        assert live.refresh() == "refused"


@pytest.mark.parametrize(
    "bad",
    [
        CORRUPT,
        "x = 1",
        CHEAP.replace('"0.1"', "0.1"),
        CHEAP.replace('"0.1"', '"-0.1"'),
        CHEAP.replace("rates", "#"),
        LUNA.replace("gpt-6-luna", "no-such"),
        "\0" * 4096,
        CHEAP.encode("utf-16"),
    ],
)
def test_m6_a_bad_file_keeps_the_old_catalogue_and_is_complained_of_once(
    overlay: Path, bad: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    overlay.write_text(CHEAP)
    live = LiveCatalog(overlay)
    before = live.current
    overlay.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    assert [live.refresh() for _ in range(3)] == ["refused"] * 3
    assert live.current is before
    assert live.alarm is not None
    assert str(overlay) in live.alarm
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    replace(overlay, DEAR)
    assert live.refresh() == "reloaded"
    assert live.alarm is None


def test_an_empty_file_overrides_nothing(overlay: Path) -> None:
    overlay.write_text(CHEAP)
    live = LiveCatalog(overlay)
    overlay.write_text("")
    assert live.refresh() == "reloaded"
    assert live.current.snapshot == load_catalog().snapshot


def test_each_bad_version_is_complained_of_and_a_good_one_clears_it(
    overlay: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overlay.write_text(CHEAP)
    live = LiveCatalog(overlay)
    for bad in (CORRUPT, CORRUPT + "#", "x = 1"):
        replace(overlay, bad)
        assert live.refresh() == live.refresh() == "refused"
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 3
    replace(overlay, CHEAP)
    assert live.refresh() == "unchanged"
    assert live.alarm is None


def test_a_file_that_goes_away_leaves_its_prices_and_an_alarm(
    overlay: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overlay.write_text(CHEAP)
    live = LiveCatalog(overlay)
    overlay.unlink()
    assert live.refresh() == live.refresh() == "refused"
    assert input_rate(live.current) == 100_000
    assert live.alarm is not None
    assert live.alarm.endswith("is gone")
    assert len(caplog.records) == 1
    overlay.write_text(CHEAP)
    assert live.refresh() == "unchanged"
    assert live.alarm is None


def test_a_bad_file_that_was_never_in_use_and_goes_away_takes_its_alarm_along(overlay: Path) -> None:
    live = LiveCatalog(overlay)
    overlay.write_text(CORRUPT)
    assert live.refresh() == "refused"
    overlay.unlink()
    assert live.refresh() == "unchanged"
    assert live.alarm is None


def test_an_unreadable_file_is_tried_again(overlay: Path) -> None:
    overlay.write_text(CHEAP)
    live = LiveCatalog(overlay)
    overlay.unlink()
    overlay.mkdir()
    assert live.refresh() == "refused"
    assert live.alarm is not None
    assert "IsADirectoryError" in live.alarm
    overlay.rmdir()
    overlay.write_text(DEAR)
    assert live.refresh() == "reloaded"


def test_m6_a_corrupt_file_refuses_the_start(overlay: Path) -> None:
    overlay.write_text(CORRUPT)
    with pytest.raises(CatalogError):
        LiveCatalog(overlay)


def test_a_price_that_is_taken_away_is_unknown_and_not_free(overlay: Path) -> None:
    live = LiveCatalog(overlay)
    replace(overlay, CHEAP.replace("2026-01-01", "2099-01-01"))
    assert live.refresh() == "reloaded"
    with pytest.raises(UnknownPrice):
        input_rate(live.current)


async def test_whoever_watches_is_handed_each_new_catalogue(overlay: Path) -> None:
    live = LiveCatalog(overlay)
    changes: asyncio.Queue[Catalog] = asyncio.Queue()
    watching = asyncio.create_task(live.watch(0.01, changes.put_nowait))
    try:
        for text, rate in ((CHEAP, 100_000), (DEAR, 900_000)):
            replace(overlay, text)
            seen = await asyncio.wait_for(changes.get(), 5)
            assert input_rate(seen) == rate
            assert live.current is seen
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert changes.empty()


async def test_a_listener_that_fails_does_not_end_the_watch(
    overlay: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveCatalog(overlay)
    changes: asyncio.Queue[Catalog] = asyncio.Queue()

    def listen(catalog: Catalog) -> None:
        changes.put_nowait(catalog)
        if changes.qsize() == 1 and not caplog.records:
            raise RuntimeError("not today")

    watching = asyncio.create_task(live.watch(0.01, listen))
    try:
        for text in (CHEAP, DEAR):
            replace(overlay, text)
            await asyncio.wait_for(changes.get(), 5)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert "not passed on" in caplog.text
