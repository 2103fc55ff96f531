"""Counts and sums of calls, and the cells that a report is made of."""

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import astuple

from models.reports.selection import Dimension
from models.reports.time_range import TimeRange


class Totals(Struct, frozen=True, kw_only=True):
    """Of any number of calls (attempts at a provider). Token counts are disjoint, but reasoning is output."""

    calls: int = 0
    requests: int = 0
    """First attempts: a request that went on to a second model counts where it was tried first."""
    errors: int = 0
    """Failed, or expired without a word of how they ended."""
    cancelled: int = 0
    estimated_calls: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    spend_pico: int = 0
    """What is charged: the list price less discounts."""
    discount_pico: int = 0
    saved_pico: int = 0
    """What providers' caches saved; below 0 where storing cost more than reading saved."""
    estimated_pico: int = 0
    """The part of the spend that is an estimate."""

    @property
    def list_pico(self) -> int:
        return self.spend_pico + self.discount_pico

    @property
    def estimated_share(self) -> float | None:
        """Of the spend; None where nothing was spent."""
        return self.estimated_pico / self.spend_pico if self.spend_pico else None


def add_up(parts: Iterable[Totals]) -> Totals:
    sums = [0] * len(Totals.__struct_fields__)
    for part in parts:
        sums = [total + value for total, value in zip(sums, astuple(part), strict=True)]
    return Totals(**dict(zip(Totals.__struct_fields__, sums, strict=True)))


GroupKey: TypeAlias = tuple[tuple[Dimension, str | None], ...]
"""Values of the dimensions that were asked for; None where calls have none (no team, say)."""


class Cell(Struct, frozen=True, kw_only=True):
    """The calls of one group in one stretch of time."""

    time_range: TimeRange
    key: GroupKey = ()
    other: bool = False
    """All the groups that were too many; then the key is empty."""
    names: tuple[tuple[Dimension, str], ...] = ()
    """What users, teams and keys are called, where they still exist."""
    totals: Totals
