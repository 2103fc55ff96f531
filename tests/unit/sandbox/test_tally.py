"""The meter's lines as sums: right, each line once, whoever writes, and never more than so many."""

from pathlib import Path

import msgspec
import pytest

from deployments.sandbox.exchange import Provider
from deployments.sandbox.fields import ANTHROPIC_MODELS, GOOGLE_MODELS, OPENAI_MODELS
from deployments.sandbox.line import Line
from deployments.sandbox.meter import Meter
from deployments.sandbox.tally import CHUNK_BYTES, KEPT, MODELS_MAX, SECONDS, Counted, Counts, Follower, Tally
from deployments.sandbox.tariff import rates_of
from models.catalog import load_catalog

DAY = 1_795_000_000 // 86_400 * 86_400
SOL = Counted("openai", "gpt-6.1-sol", False)


def line(ts: float = DAY, model: str = "gpt-6.1-sol", provider: Provider = "openai", **counts: int) -> Line:
    counted = {
        "input_tokens": 10,
        "cache_read_tokens": 4,
        "cache_write_tokens": 3,
        "cache_write_1h_tokens": 1,
        "output_tokens": 5,
        "reasoning_tokens": 2,
    } | counts
    return Line(
        ts=ts,
        provider=provider,
        model=model,
        endpoint="chat",
        request_id="req_1",
        stream=False,
        status=200,
        completed=True,
        aborted=False,
        client_request_id="",
        idempotency="",
        **counted,
    )


def only(tally: Tally, width: str = "1d", start: int = DAY) -> Counts:
    (counts,) = tally.at(width, start).values()  # type: ignore[arg-type]
    return counts


def write(path: Path, *lines: Line) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.Encoder().encode_lines(lines))


def test_a_call_counts_in_its_minute_hour_and_day() -> None:
    tally = Tally()
    tally.add(line(DAY + 3_725))
    for width, start in (("1m", DAY + 3_720), ("1h", DAY + 3_600), ("1d", DAY)):
        counts = only(tally, width, start)
        assert (counts.requests, counts.tokens) == (1, [10, 4, 2, 1, 5])
        assert counts.cost == [20_000_000, 400_000, 5_000_000, 2_500_000, 50_000_000]
    assert tally.at("1m", DAY + 3_660) == {}


def test_the_size_of_the_input_decides_what_all_of_it_costs() -> None:
    tally = Tally()
    tally.add(line(input_tokens=272_000, cache_read_tokens=1, output_tokens=1))
    assert only(tally).cost[-1] == 15_000_000


def test_a_model_without_a_price_has_tokens_only() -> None:
    tally = Tally()
    tally.add(line(model="gpt-4o"))
    assert (only(tally).priced, only(tally).cost, sum(only(tally).tokens)) == (False, [0] * 5, 22)


@pytest.mark.parametrize("width", SECONDS)
def test_the_oldest_buckets_go(width: str) -> None:
    tally = Tally()
    kept, seconds = KEPT[width], SECONDS[width]  # type: ignore[index]
    for n in range(kept + 5):
        tally.add(line(DAY + n * seconds))
    present = [bool(tally.at(width, DAY + n * seconds)) for n in range(kept + 5)]  # type: ignore[arg-type]
    assert present == [False] * 5 + [True] * kept


def test_invented_names_of_models_are_counted_together_beyond_a_number() -> None:
    tally = Tally()
    for n in range(MODELS_MAX + 50):
        tally.add(line(model=f"m{n}"))
    found = tally.at("1d", DAY)
    assert len(found) == MODELS_MAX + 1
    assert found[Counted("openai", "other", False)].requests == 50


def test_lines_of_several_processes_are_read_once_each(tmp_path: Path) -> None:
    path = tmp_path / "meter"
    follower = Follower(path)
    for total in (1, 2, 3):
        write(path, line())
        for _ in range(2):
            follower.catch_up()
            assert only(follower.tally).requests == total


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "meter"
    whole = msgspec.json.encode(line()) + b"\n"
    path.write_bytes(whole + whole[:30])
    follower = Follower(path)
    follower.catch_up()
    assert only(follower.tally).requests == 1
    with path.open("ab") as file:
        file.write(whole[30:])
    follower.catch_up()
    assert only(follower.tally).requests == 2


def test_a_file_of_many_chunks_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "meter"
    count = 2 * CHUNK_BYTES // len(msgspec.json.encode(line())) + 10
    write(path, *[line()] * count)
    follower = Follower(path)
    follower.catch_up()
    assert only(follower.tally).requests == count


def test_a_file_that_was_begun_anew_is_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "meter"
    write(path, line(), line())
    follower = Follower(path)
    follower.catch_up()
    path.write_bytes(b"")
    write(path, line())
    follower.catch_up()
    assert only(follower.tally).requests == 1


def test_a_meter_without_a_file_tallies_its_own_calls() -> None:
    meter = Meter(None)
    meter.record(line())
    assert only(meter.tally()).requests == 1


def test_the_tariff_is_the_catalogues() -> None:
    """Two tables of the same prices: where they differ, one of them is wrong."""
    simulated = {*OPENAI_MODELS, *ANTHROPIC_MODELS, *GOOGLE_MODELS}
    compared = 0
    for model in load_catalog().models.values():
        if model.wire_name not in simulated:
            continue
        for rates in model.prices[-1].rates:
            if rates.service == "standard":
                listed = (
                    rates.input,
                    rates.cache_read,
                    rates.cache_write_5m,
                    rates.cache_write_1h,
                    rates.output,
                )
                assert rates_of(model.wire_name, total_input=rates.above + 1) == listed, model.id
                compared += 1
    assert compared > 30
