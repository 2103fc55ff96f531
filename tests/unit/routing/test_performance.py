"""How models do just now, and that replicas together know it."""

import pytest

from models.routing.expectation import Performance
from models.routing.performance import SLICE_S, SLICES, LivePerformance, Sample


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _ok(first: float = 500, tokens: int = 100, response: float = 1_500) -> Sample:
    return Sample(model_id="m", ending="ok", first_token_ms=first, response_ms=response, output_tokens=tokens)


FAILED = Sample(model_id="m", ending="failed")
BUSY = Sample(model_id="m", ending="busy")


def test_first_tokens_speed_and_failures_are_measured(clock: Clock) -> None:
    live = LivePerformance(clock)
    for first in (*[400.0] * 90, *[3_000.0] * 10):
        live.record(_ok(first, response=first + 1_000))
    for _ in range(25):
        live.record(FAILED)
    (one,) = live.measured().values()
    assert one.first_token_ms == pytest.approx(400, rel=0.15)
    assert one.first_token_p95_ms == pytest.approx(3_000, rel=0.15)
    assert one.tokens_per_s == pytest.approx(100)
    assert one.error_rate == pytest.approx(0.2)
    assert one.availability == pytest.approx(0.8, abs=0.01)


def test_what_was_long_ago_is_forgotten(clock: Clock) -> None:
    live = LivePerformance(clock)
    for _ in range(50):
        live.record(FAILED)
    clock.now += SLICE_S * (SLICES - 2)
    for _ in range(10):
        live.record(_ok())
    assert live.performance()["m"].availability > 0.75
    clock.now += SLICE_S * 4
    live.record(_ok())
    assert live.measured()["m"].error_rate == 0


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        ([], "available"),
        ([_ok()] * 10, "available"),
        ([FAILED], "degraded"),
        ([_ok()] * 6 + [FAILED] * 4, "degraded"),
        ([_ok()] * 9 + [BUSY] * 4, "degraded"),
        ([FAILED] * 10, "unavailable"),
        ([_ok(), Sample(model_id="m", ending="busy", retry_after_s=20)], "unavailable"),
    ],
)
def test_availability_is_told(clock: Clock, samples: list[Sample], state: str) -> None:
    live = LivePerformance(clock)
    for sample in samples:
        live.record(sample)
    assert live.check_model_availability("m").state == state


def test_a_model_that_asked_to_be_left_alone_is_back_after_that(clock: Clock) -> None:
    live = LivePerformance(clock)
    live.record(Sample(model_id="m", ending="busy", retry_after_s=20))
    assert live.performance()["m"].availability == 0
    assert live.check_model_availability("m").headroom == 0
    clock.now += 21
    assert live.performance()["m"].availability > 0.5


def test_replicas_add_up_and_count_nothing_twice(clock: Clock) -> None:
    one, other = LivePerformance(clock), LivePerformance(clock)
    one.record(_ok())
    one.record(FAILED)
    other.record(_ok())
    at = int(clock.now) // SLICE_S
    together = one.take_unsent()[at]["m"] + other.take_unsent()[at]["m"]
    assert one.take_unsent() == {}
    for live in (one, other):
        live.share({at: {"m": together}})
    assert one.measured() == other.measured()
    assert one.measured()["m"].calls == pytest.approx(3, rel=0.05)
    one.record(_ok())
    assert one.measured()["m"].calls == pytest.approx(4, rel=0.05)
    one.share(None)
    assert one.measured()["m"].calls == pytest.approx(3, rel=0.05)


def test_what_was_known_before_a_restart_stands_until_there_are_calls(clock: Clock) -> None:
    live = LivePerformance(clock)
    live.restore({"m": Performance(first_token_ms=900, tokens_per_s=50)})
    assert live.performance()["m"].first_token_ms == 900
    live.record(_ok(first=200))
    clock.now += 2
    assert live.performance()["m"].first_token_ms == pytest.approx(200, rel=0.2)
