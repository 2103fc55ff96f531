"""What the three providers' reports share: parameters, buckets, pages, and distortions of the truth.

The sandbox is one organisation with one project and one workspace: a filter by those, by key or by user lets
everything through. Buckets without usage are reported empty, as the providers do.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qs

from deployments.sandbox.distortion import Distortion, Distortions
from deployments.sandbox.exchange import Json, Provider, Rejected
from deployments.sandbox.meter import Meter
from deployments.sandbox.tally import SECONDS, Counts, Tally, Width

PAGE_DEFAULT: dict[Width, int] = {"1m": 60, "1h": 24, "1d": 7}
PAGE_MAX: dict[Width, int] = {"1m": 1_440, "1h": 168, "1d": 31}


class Params:
    """The parameters of a query; a list may be named `x` or `x[]`. Names not in `known` are rejected."""

    def __init__(self, query: str, known: frozenset[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, values in parse_qs(query, keep_blank_values=True).items():
            self._values.setdefault(name.removesuffix("[]"), []).extend(values)
        if unknown := self._values.keys() - known:
            raise Rejected(f"Unknown parameter: '{min(unknown)}'.", param=min(unknown))

    def one(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[-1] if values else None

    def required(self, name: str) -> str:
        value = self.one(name)
        if not value:
            raise Rejected(f"Missing required parameter: '{name}'.", param=name)
        return value

    def many(self, name: str, allowed: frozenset[str] | None = None) -> list[str]:
        values = self._values.get(name, [])
        for value in values:
            if allowed is not None and value not in allowed:
                raise Rejected(f"Invalid value for '{name}': '{value}'.", param=name)
        return values

    def width(self, name: str = "bucket_width", *, widths: Sequence[Width] = ("1m", "1h", "1d")) -> Width:
        asked = self.one(name) or "1d"
        for width in widths:
            if width == asked:
                return width
        raise Rejected(f"Invalid value for '{name}': '{asked}'.", param=name)

    def limit(self, default: int, most: int) -> int:
        asked = self.one("limit")
        if asked is None:
            return default
        if not asked.isdecimal() or not 1 <= int(asked) <= most:
            raise Rejected(f"'limit' has to be between 1 and {most}.", param="limit")
        return int(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A stretch of time in Unix seconds, cut into buckets."""

    provider: Provider
    start: int
    end: float | None
    """None is now."""
    width: Width
    limit: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Bucket:
    start: int
    end: int


Results: TypeAlias = Callable[[Bucket], Iterator[Json]]
"""A bucket's rows as the provider writes them."""


@dataclass(frozen=True, slots=True)
class Page:
    buckets: list[Bucket]
    next: str | None


class Reports:
    """What a provider says of its usage: the meter's truth, distorted as was asked."""

    def __init__(
        self, meter: Meter, distortions: Distortions, clock: Callable[[], float] = time.time
    ) -> None:
        self._meter = meter
        self._distortions = distortions
        self._clock = clock
        self._tally = Tally()

    def page(self, asked: Asked) -> Page:
        """The buckets of a page; `rows` then tells what had been billed by now."""
        self._catch_up()
        seconds = SECONDS[asked.width]
        distortion = self._distortions.of(asked.provider)
        end = min(self._clock(), self._clock() if asked.end is None else asked.end)
        starts = range(asked.start // seconds * seconds, int(-(-end // 1)), seconds)
        twice = distortion.duplicate == "1"
        limit = min(asked.limit, max(1, len(starts))) if twice else asked.limit
        first = _position(asked.cursor)
        last = min(first + limit, len(starts) * (2 if twice else 1))
        buckets = [
            Bucket(start, start + seconds)
            for start in (starts[i % len(starts)] for i in range(first, last))
            if start != distortion.missing
        ]
        more = last < len(starts) * (2 if twice else 1)
        return Page(buckets, _cursor(last) if more else None)

    def rows(
        self, asked: Asked, bucket: Bucket, *, models: Sequence[str] = (), embeddings: bool | None = None
    ) -> Iterator[tuple[str, Counts]]:
        """Model by model; `embeddings` None is both they and the answers."""
        distortion = self._distortions.of(asked.provider)
        for (provider, model, embedded), counts in sorted(self._tally.at(asked.width, bucket.start).items()):
            if provider != asked.provider or embeddings not in (None, embedded):
                continue
            if models and model not in models:
                continue
            if not distortion.is_about(model):
                yield model, counts
            elif not distortion.late or self._clock() >= bucket.end + distortion.late:
                yield model, _distorted(counts, distortion)

    def _catch_up(self) -> None:
        try:
            self._tally = self._meter.tally()
        except OSError as error:
            raise Rejected(f"The meter cannot be read: {error}", status=500) from None


def total(counts: Iterator[tuple[str, Counts]]) -> Counts | None:
    """All rows as one; None where there is none."""
    found: Counts | None = None
    for _, each in counts:
        found = found or Counts()
        found.include(each)
    return found


def _distorted(counts: Counts, distortion: Distortion) -> Counts:
    if not distortion.drift:
        return counts
    changed = Counts()
    changed.requests, changed.priced = counts.requests, counts.priced
    factor = 1 + distortion.drift / 100
    changed.tokens = [round(n * factor) for n in counts.tokens]
    changed.cost = [round(n * factor) for n in counts.cost]
    return changed


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"page_{position}".encode()).decode()


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        name, _, position = base64.urlsafe_b64decode(cursor).decode().partition("_")
        if name == "page" and position.isdecimal():
            return int(position)
    except (binascii.Error, ValueError):
        pass
    raise Rejected("Invalid value for 'page'.", param="page")
