"""What a provider reports of its usage, in one normal form, each row counted once however often told."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Literal, Protocol

from msgspec import Struct

Width = Literal["minute", "hour", "day"]

SPAN: Mapping[Width, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


class Tokens(Struct, frozen=True):
    """Disjoint counts of input; `output` includes reasoning. A difference may be negative."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    def as_list(self) -> list[int]:
        return [self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h, self.output]

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*map(int.__add__, self.as_list(), other.as_list()))

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(*map(int.__sub__, self.as_list(), other.as_list()))

    def __bool__(self) -> bool:
        return any(self.as_list())


class ReportRow(Struct, frozen=True, kw_only=True):
    """What a bucket holds of one model: tokens, or a part of the bill."""

    model: str
    """The provider's name for it; empty where it names none."""
    start: datetime
    key: tuple[str, ...]
    """With `start` and the page's part it names the row: the same row told again has the same."""
    tokens: Tokens | None = None
    cost_pico: int | None = None


class ReportPage(Struct, frozen=True, kw_only=True):
    part: str
    """Which of the provider's reports it is a page of."""
    starts: tuple[datetime, ...]
    """The buckets that it tells of, those without usage too."""
    rows: tuple[ReportRow, ...]


class UsageReportSource(Protocol):
    """A provider's usage and cost reports."""

    @property
    def provider(self) -> str: ...

    @property
    def usage_parts(self) -> tuple[str, ...]:
        """The reports that together tell a bucket's usage. Those on cost may come later, or not at all."""
        ...

    def pages(self, *, start: datetime, end: datetime, width: Width) -> AsyncIterator[ReportPage]:
        """All buckets of `width` from `start` to `end`, both on a bucket's edge. Raises ProviderError."""
        ...

    async def close(self) -> None: ...


class Billed(Struct, frozen=True):
    """What the provider says of a model and bucket."""

    tokens: Tokens = Tokens()
    cost_pico: int | None = None
    """None where no report told the cost."""

    def __add__(self, other: "Billed") -> "Billed":
        costs = [cost for cost in (self.cost_pico, other.cost_pico) if cost is not None]
        return Billed(self.tokens + other.tokens, sum(costs) if costs else None)


class Report:
    """The pages of one reading, added up."""

    def __init__(self, usage_parts: tuple[str, ...]) -> None:
        self.duplicates = 0
        self._told: dict[str, set[datetime]] = {part: set() for part in usage_parts}
        self._rows: dict[tuple[str, datetime, tuple[str, ...]], ReportRow] = {}

    def add(self, page: ReportPage) -> None:
        """Of a row that was told before, the later telling counts."""
        if page.part in self._told:
            self._told[page.part].update(page.starts)
        for row in page.rows:
            name = (page.part, row.start, row.key)
            self.duplicates += name in self._rows
            self._rows[name] = row

    def tells_of(self, start: datetime) -> bool:
        """Whether the whole usage of the bucket was told, if only that there was none."""
        return all(start in starts for starts in self._told.values())

    def billed(self) -> dict[tuple[str, datetime], Billed]:
        """By the provider's name for the model, and bucket."""
        found: dict[tuple[str, datetime], Billed] = {}
        for row in self._rows.values():
            spot = row.model, row.start
            found[spot] = found.get(spot, Billed()) + Billed(row.tokens or Tokens(), row.cost_pico)
        return found
