"""How the limits stand, in the headers of each dialect."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from models.limits.limit import Measure, Rate

Dialect = Literal["openai", "anthropic", "google"]
Headers = Sequence[tuple[bytes, bytes]]

_OPENAI: Sequence[tuple[str, Sequence[Measure]]] = (
    ("requests", ("requests",)),
    ("tokens", ("tokens", "input_tokens", "output_tokens")),
)
"""The first measure that there is a limit of is the one that is told of."""
_ANTHROPIC: Sequence[tuple[str, Measure]] = (
    ("requests", "requests"),
    ("tokens", "tokens"),
    ("input-tokens", "input_tokens"),
    ("output-tokens", "output_tokens"),
)


def _now() -> datetime:
    return datetime.now(UTC)


def headers_for(dialect: Dialect, rates: Sequence[Rate], *, now: Callable[[], datetime] = _now) -> Headers:
    """`rates` has each measure once; nothing where no limit counts, and nothing for Google's clients: theirs
    knows of limits by the `RetryInfo` of a refusal alone."""
    if not rates or dialect == "google":
        return ()
    by_measure = {rate.measure: rate for rate in rates}
    return _openai(by_measure) if dialect == "openai" else _anthropic(by_measure, now())


def _openai(rates: dict[Measure, Rate]) -> Headers:
    headers = []
    for name, measures in _OPENAI:
        rate = next((rates[measure] for measure in measures if measure in rates), None)
        if rate is not None:
            told = (
                ("limit", str(rate.limit)),
                ("remaining", str(rate.remaining)),
                ("reset", span(rate.reset_s)),
            )
            headers += [(f"x-ratelimit-{what}-{name}".encode(), str(value).encode()) for what, value in told]
    return headers


def _anthropic(rates: dict[Measure, Rate], now: datetime) -> Headers:
    headers = []
    for name, measure in _ANTHROPIC:
        rate = rates.get(measure)
        if rate is not None:
            reset = now + timedelta(seconds=math.ceil(rate.reset_s))
            at = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
            told = (("limit", rate.limit), ("remaining", rate.remaining), ("reset", at))
            headers += [
                (f"anthropic-ratelimit-{name}-{what}".encode(), str(value).encode()) for what, value in told
            ]
    return headers


def span(seconds: float) -> str:
    """As OpenAI writes it: `0s`, `20ms`, `1.5s`, `6m0s`, `1h2m3s`."""
    ms = math.ceil(seconds * 1000)
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    said = f"{rest_ms / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{said}"
    return f"{minutes}m{said}" if minutes else said
