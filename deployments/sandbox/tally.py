"""The meter's lines added up: tokens and cost by minute, hour and day, and by model. No call is kept."""

from collections.abc import Mapping
from operator import add, mul
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from deployments.sandbox.exchange import Provider
from deployments.sandbox.line import Line
from deployments.sandbox.tariff import rates_of

Width = Literal["1m", "1h", "1d"]
SECONDS: Final[Mapping[Width, int]] = {"1m": 60, "1h": 3_600, "1d": 86_400}
KEPT: Final[Mapping[Width, int]] = {"1m": 1_440, "1h": 744, "1d": 366}
"""Buckets of each width; the oldest goes first."""
MODELS_MAX: Final = 200
"""Names in one bucket, which clients may invent; what comes beyond is `other`."""
FRESH_MAX: Final = 1_000
CHUNK_BYTES: Final = 1024 * 1024

KINDS: Final = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class Counted(NamedTuple):
    """Whose calls a figure is about."""

    provider: Provider
    model: str
    embeddings: bool


class Counts:
    """Sums over calls; tokens and cost by kind, the cost in pico-USD."""

    __slots__ = ("cost", "priced", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = 0
        self.tokens = [0] * len(KINDS)
        self.cost = [0] * len(KINDS)
        self.priced = True
        """The tariff knew the price of every call."""

    def add(self, line: Line) -> None:
        tokens = line.tokens()
        rates = rates_of(line.model, total_input=sum(tokens[:-1]))
        self.requests += 1
        self.tokens = list(map(add, self.tokens, tokens))
        if rates is None:
            self.priced = False
        else:
            self.cost = list(map(add, self.cost, map(mul, tokens, rates)))

    def include(self, other: "Counts") -> None:
        self.requests += other.requests
        self.tokens = list(map(add, self.tokens, other.tokens))
        self.cost = list(map(add, self.cost, other.cost))
        self.priced &= other.priced


class Tally:
    def __init__(self) -> None:
        self._fresh: dict[tuple[int, Counted], Counts] = {}
        """By minute; what is not in the buckets yet."""
        self._buckets: dict[Width, dict[int, dict[Counted, Counts]]] = {width: {} for width in SECONDS}

    def add(self, line: Line) -> None:
        counted = Counted(line.provider, line.model, line.endpoint == "embeddings")
        key = int(line.ts // 60) * 60, counted
        counts = self._fresh.get(key)
        if counts is None:
            if len(self._fresh) >= FRESH_MAX:
                self._put_in_buckets()
            counts = self._fresh[key] = Counts()
        counts.add(line)

    def at(self, width: Width, start: int) -> Mapping[Counted, Counts]:
        """What was billed in the bucket that begins then."""
        self._put_in_buckets()
        return self._buckets[width].get(start, {})

    def _put_in_buckets(self) -> None:
        for (minute, counted), counts in self._fresh.items():
            for width, seconds in SECONDS.items():
                bucket = self._bucket(width, minute // seconds * seconds)
                known = counted in bucket or len(bucket) < MODELS_MAX
                name = counted if known else counted._replace(model="other")
                bucket.setdefault(name, Counts()).include(counts)
        self._fresh.clear()

    def _bucket(self, width: Width, start: int) -> dict[Counted, Counts]:
        buckets = self._buckets[width]
        found = buckets.setdefault(start, {})
        if len(buckets) > KEPT[width]:
            del buckets[min(buckets)]
        return found


class Follower:
    """Adds what several processes append to one file of lines, each line once."""

    def __init__(self, path: Path) -> None:
        self.tally = Tally()
        self._path = path
        self._read = 0
        self._decoder = msgspec.json.Decoder(Line)

    def catch_up(self) -> None:
        """Reads what has been appended since the last time; a file that was begun anew is counted anew."""
        if self._path.stat().st_size < self._read:
            self.tally, self._read = Tally(), 0
        with self._path.open("rb") as file:
            file.seek(self._read)
            while chunk := file.read(CHUNK_BYTES):
                # The last line may still be being written.
                whole = chunk[: chunk.rfind(b"\n") + 1]
                if not whole:
                    return
                for line in self._decoder.decode_lines(whole):
                    self.tally.add(line)
                self._read += len(whole)
                file.seek(self._read)
