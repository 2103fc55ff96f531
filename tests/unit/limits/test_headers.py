"""What clients are told of their limits, in the names that their SDKs know."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from models.limits import Rate, headers_for, tightest
from models.limits.headers import Dialect, span

NOW = datetime(2026, 11, 24, 20, 0, 0, tzinfo=UTC)
REQUESTS = Rate("requests", 60, 59, 1.0)
INPUT = Rate("input_tokens", 40_000, 10_000, 44.2)
OUTPUT = Rate("output_tokens", 8_000, 8_000, 0.0)
TOKENS = Rate("tokens", 150_000, 149_984, 0.0064)
OTHERS = [Rate("concurrent", 5, 4, 0.0), Rate("spend", 10**12, 10**11, 9.0)]


@pytest.mark.parametrize(
    ("dialect", "rates", "headers"),
    [
        (
            "openai",
            [REQUESTS, TOKENS, INPUT, *OTHERS],
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-tokens": "7ms",
            },
        ),
        (
            "openai",
            [INPUT],
            {
                "x-ratelimit-limit-tokens": "40000",
                "x-ratelimit-remaining-tokens": "10000",
                "x-ratelimit-reset-tokens": "44.2s",
            },
        ),
        (
            "anthropic",
            [REQUESTS, INPUT, OUTPUT, *OTHERS],
            {
                "anthropic-ratelimit-requests-limit": "60",
                "anthropic-ratelimit-requests-remaining": "59",
                "anthropic-ratelimit-requests-reset": "2026-11-24T20:00:01Z",
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-input-tokens-remaining": "10000",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-24T20:00:45Z",
                "anthropic-ratelimit-output-tokens-limit": "8000",
                "anthropic-ratelimit-output-tokens-remaining": "8000",
                "anthropic-ratelimit-output-tokens-reset": "2026-11-24T20:00:00Z",
            },
        ),
        ("google", [REQUESTS, TOKENS], {}),
        ("openai", [], {}),
        ("anthropic", OTHERS, {}),
    ],
)
def test_headers_of_a_dialect(dialect: Dialect, rates: Sequence[Rate], headers: dict[str, str]) -> None:
    told = headers_for(dialect, rates, now=lambda: NOW)
    assert {name.decode(): value.decode() for name, value in told} == headers


def test_of_several_limits_the_tightest_is_told_of() -> None:
    loose, tight = Rate("requests", 100, 60, 1.0), Rate("requests", 10, 5, 1.0)
    assert list(tightest([loose, TOKENS, tight])) == [tight, TOKENS]
    assert list(tightest([*tightest([tight]), *tightest([loose])])) == [tight]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (0.02, "20ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (360, "6m0s"),
        (3_723, "1h2m3s"),
        (59.9999, "1m0s"),
    ],
)
def test_a_span(seconds: float, said: str) -> None:
    assert span(seconds) == said
