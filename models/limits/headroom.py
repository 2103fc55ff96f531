"""What providers have left of their own limits, as their answers tell, for each host, credential and model.

OpenAI and hosts like it say `x-ratelimit-remaining-tokens` and `x-ratelimit-reset-tokens: 6m0s`, Anthropic
`anthropic-ratelimit-tokens-remaining` and a time in RFC 3339, Google nothing before its 429.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

MAX_KEYS = 2_000
MAX_BLOCK_S = 300.0
FORGET_AFTER_S = 600.0
DEFAULT_BLOCK_S = 1.0
"""After a 429 that does not say how long to wait."""
_MAX_COUNT = 10**12

_MEASURES = ("requests", "tokens", "input-tokens", "output-tokens", "project-tokens")
_TOKENS = frozenset(("tokens", "input-tokens", "project-tokens"))
"""What a call's input is counted against."""
_NAMES = {
    measure: [
        tuple(f"x-ratelimit-{what}-{measure}" for what in ("limit", "remaining", "reset")),
        tuple(f"anthropic-ratelimit-{measure}-{what}" for what in ("limit", "remaining", "reset")),
    ]
    for measure in _MEASURES
}

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S = (86_400, 3_600, 60, 1, 0.001)


class Gauge(Struct, frozen=True):
    limit: int
    remaining: int
    reset_at: float

    def left(self, now: float, at: float) -> float:
        """They fill up evenly."""
        if now >= self.reset_at or self.reset_at <= at:
            return self.limit
        return self.remaining + (self.limit - self.remaining) * max(0.0, now - at) / (self.reset_at - at)


class Left(Struct, frozen=True, kw_only=True):
    """Times are those of the wall clock: replicas tell each other."""

    at: float
    gauges: dict[str, Gauge] = field(default_factory=dict)
    blocked_until: float = 0.0


class Headroom:
    """Belongs to one event loop. Never raises for what a provider says."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._left: dict[str, Left] = {}
        self._news: set[str] = set()

    def observe(self, provider: str, model: str, headers: Mapping[str, str], *, credential: str = "") -> None:
        """The headers of any answer; names in lower case, or a mapping that does not care."""
        now = self._clock()
        gauges = dict(_gauges(headers, now))
        if gauges:
            key = _key(provider, credential, model)
            known = self._left.get(key)
            blocked = known.blocked_until if known is not None else 0.0
            self._set(key, Left(at=now, gauges=gauges, blocked_until=blocked))

    def limited(
        self, provider: str, model: str, retry_after_s: float | None, *, credential: str = ""
    ) -> None:
        """It has answered 429."""
        now = self._clock()
        wait_s = DEFAULT_BLOCK_S if retry_after_s is None else min(max(retry_after_s, 0.0), MAX_BLOCK_S)
        key = _key(provider, credential, model)
        known = self._left.get(key) or Left(at=now)
        self._set(
            key, replace(known, at=max(known.at, now), blocked_until=max(known.blocked_until, now + wait_s))
        )

    def calls(self, provider: str, model: str, tokens: int, *, credential: str = "") -> None:
        """A call goes out: what it takes is not there for the next one, before there is an answer."""
        key = _key(provider, credential, model)
        known = self._left.get(key)
        if known is not None and known.gauges:
            taken = {
                name: replace(gauge, remaining=max(0, gauge.remaining - _taken(name, tokens)))
                for name, gauge in known.gauges.items()
            }
            self._left[key] = replace(known, gauges=taken)

    def wait_s(self, provider: str, model: str, tokens: int = 0, *, credential: str = "") -> float:
        """How long a call of so many tokens would rather wait; 0 where nothing is known against it."""
        known, now = self._left.get(_key(provider, credential, model)), self._clock()
        if known is None:
            return 0.0
        waits = [known.blocked_until - now]
        for name, gauge in known.gauges.items():
            taken = min(_taken(name, tokens), gauge.limit)
            if gauge.left(now, known.at) < taken:
                missing = (taken - gauge.remaining) / max(1, gauge.limit - gauge.remaining)
                waits.append(known.at + missing * (gauge.reset_at - known.at) - now)
        return max(0.0, min(max(waits), MAX_BLOCK_S))

    def share(self, provider: str, model: str, *, credential: str = "") -> float:
        """From 0, nothing is left, to 1: of the limit that has least. 1 where nothing is known."""
        known, now = self._left.get(_key(provider, credential, model)), self._clock()
        if known is None:
            return 1.0
        if now < known.blocked_until:
            return 0.0
        shares = [gauge.left(now, known.at) / gauge.limit for gauge in known.gauges.values() if gauge.limit]
        return max(0.0, min([1.0, *shares]))

    def news(self) -> Mapping[str, Left]:
        """What was learned since it was last asked."""
        told = {key: self._left[key] for key in self._news if key in self._left}
        self._news.clear()
        return told

    def hear(self, told: Mapping[str, Left]) -> list[str]:
        """What other replicas have learned. Returns the keys that are too old to be told of any more."""
        now = self._clock()
        stale = []
        for key, left in told.items():
            known = self._left.get(key)
            if left.at < now - FORGET_AFTER_S:
                stale.append(key)
            elif known is None or left.at > known.at:
                self._keep(key, left)
        return stale

    def _set(self, key: str, left: Left) -> None:
        self._keep(key, left)
        self._news.add(key)

    def _keep(self, key: str, left: Left) -> None:
        self._left[key] = left
        if len(self._left) > MAX_KEYS:
            del self._left[next(iter(self._left))]


def _key(provider: str, credential: str, model: str) -> str:
    return f"{provider}|{credential}|{model}"


def _taken(measure: str, tokens: int) -> int:
    if measure == "requests":
        return 1
    return tokens if measure in _TOKENS else 0


def _gauges(headers: Mapping[str, str], now: float) -> Iterable[tuple[str, Gauge]]:
    for measure, spellings in _NAMES.items():
        for limit_name, remaining_name, reset_name in spellings:
            limit, remaining = _count(headers.get(limit_name)), _count(headers.get(remaining_name))
            if limit and remaining is not None:
                reset_s = reset_in_s(headers.get(reset_name, ""), now)
                yield measure, Gauge(limit, min(remaining, limit), now + min(reset_s, MAX_BLOCK_S))


def reset_in_s(text: str, now: float) -> float:
    """Of `1s`, `6m0s`, `20ms`, `7.66`, or a time in RFC 3339; a minute where it is none of these."""
    text = text.strip()[:64]
    match = _DURATION.fullmatch(text)
    if text and match is not None:
        return sum(float(n) * unit for n, unit in zip(match.groups(), _UNITS_S, strict=True) if n)
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - now)
    except (ValueError, OverflowError, OSError):
        return 60.0


def _count(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return None
    return min(int(text), _MAX_COUNT)
