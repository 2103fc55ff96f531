"""What providers say of their limits, and what follows for the next call."""

import pytest

from models.limits import Headroom
from models.limits.headroom import MAX_BLOCK_S, reset_in_s

NOW = 1_795_550_000.0
"""2026-11-24T19:53:20Z"""

OPENAI = {
    "x-ratelimit-limit-requests": "100",
    "x-ratelimit-remaining-requests": "25",
    "x-ratelimit-reset-requests": "45s",
    "x-ratelimit-limit-tokens": "10000",
    "x-ratelimit-remaining-tokens": "5000",
    "x-ratelimit-reset-tokens": "30s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "40",
    "anthropic-ratelimit-requests-reset": "2026-11-24T19:53:32Z",
    "anthropic-ratelimit-input-tokens-limit": "40000",
    "anthropic-ratelimit-input-tokens-remaining": "4000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-24T19:54:14Z",
    "anthropic-ratelimit-output-tokens-limit": "8000",
    "anthropic-ratelimit-output-tokens-remaining": "8000",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-24T19:53:20Z",
}


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def headroom(clock: Clock) -> Headroom:
    return Headroom(clock=clock)


@pytest.mark.parametrize(
    ("headers", "share", "wait_s"),
    [
        (OPENAI, 0.25, 0.0),
        (ANTHROPIC, 0.1, 1.5),
        ({}, 1.0, 0.0),
        ({"x-ratelimit-limit-requests": "100"}, 1.0, 0.0),
        ({**OPENAI, "x-ratelimit-remaining-requests": "0"}, 0.0, 0.45),
        ({**OPENAI, "x-ratelimit-limit-requests": "-1", "x-ratelimit-limit-tokens": "nan"}, 1.0, 0.0),
        ({**OPENAI, "x-ratelimit-limit-tokens": "9" * 400}, 0.25, 0.0),
        ({**OPENAI, "x-ratelimit-remaining-requests": "999999"}, 0.5, 0.0),
        ({"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"}, 1.0, 0.0),
    ],
)
def test_what_answers_say(headroom: Headroom, headers: dict[str, str], share: float, wait_s: float) -> None:
    headroom.observe("host", "m", headers)
    assert headroom.share("host", "m") == pytest.approx(share)
    assert headroom.wait_s("host", "m", 5_000) == pytest.approx(wait_s)
    assert headroom.share("host", "other") == 1.0
    assert headroom.share("host", "m", credential="another") == 1.0


def test_it_comes_back_with_time(headroom: Headroom, clock: Clock) -> None:
    headroom.observe("host", "m", {**OPENAI, "x-ratelimit-remaining-requests": "0"})
    clock.now += 22.5
    assert headroom.share("host", "m") == pytest.approx(0.5)
    clock.now += 22.5
    assert headroom.share("host", "m") == 1.0


def test_calls_that_go_out_are_taken_off_before_their_answers_say_so(headroom: Headroom) -> None:
    headroom.observe("host", "m", OPENAI)
    for _ in range(4):
        assert headroom.wait_s("host", "m", 1_200) == 0.0
        headroom.calls("host", "m", 1_200)
    assert headroom.wait_s("host", "m", 1_200) > 0.0


@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"), [(12.0, 12.0), (None, 1.0), (-3.0, 0.0), (10.0**9, MAX_BLOCK_S)]
)
def test_after_a_429_nobody_calls_for_a_while(
    headroom: Headroom, clock: Clock, retry_after_s: float | None, wait_s: float
) -> None:
    headroom.limited("google", "m", retry_after_s)
    assert headroom.wait_s("google", "m") == pytest.approx(wait_s)
    assert headroom.share("google", "m") == (0.0 if wait_s else 1.0)
    headroom.observe("google", "m", OPENAI)
    assert headroom.wait_s("google", "m") == pytest.approx(wait_s)
    clock.now += wait_s
    assert headroom.wait_s("google", "m") == 0.0


def test_replicas_tell_each_other(clock: Clock) -> None:
    first, second = Headroom(clock=clock), Headroom(clock=clock)
    first.limited("google", "m", 30.0)
    told = first.news()
    assert first.news() == {}
    assert second.hear(told) == []
    assert second.wait_s("google", "m") == pytest.approx(30.0)
    assert second.news() == {}
    clock.now += 1
    second.observe("google", "m", OPENAI)
    assert second.hear(told) == []
    assert second.share("google", "m") == 0.0
    clock.now += 1_000
    assert second.hear(told) == ["google||m"]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("7.66", 7.66),
        ("2026-11-24T19:54:20Z", 60),
        ("2026-11-24T20:54:20+01:00", 60),
        ("2020-01-01T00:00:00Z", 0),
        ("", 60),
        ("soon", 60),
        ("-5", 0),
        ("nan", 0),
    ],
)
def test_times_of_reset(said: str, seconds: float) -> None:
    assert reset_in_s(said, NOW) == pytest.approx(seconds)
