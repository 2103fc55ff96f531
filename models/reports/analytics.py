"""A usage report, put together from cells."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from models.reports.forecast import Forecast
from models.reports.selection import UsageQuery
from models.reports.time_range import TimeRange
from models.reports.totals import Cell, GroupKey, Totals, add_up


class Group(Struct, frozen=True, kw_only=True):
    key: GroupKey
    other: bool
    names: tuple[tuple[str, str], ...]
    totals: Totals
    previous: Totals | None
    """Of the range before, if it was asked for."""


class CostAnalytics(Struct, frozen=True, kw_only=True):
    query: UsageQuery
    until: TimeRange
    """The part of the range that has passed."""
    totals: Totals
    previous_range: TimeRange | None
    previous: Totals | None
    groups: tuple[Group, ...]
    """By spend, the dearest first and `other` last; none where nothing was to be grouped by."""
    series: tuple[Cell, ...]
    """By time, then as the groups; stretches without calls are left out."""
    forecast: Forecast | None


def compose(
    query: UsageQuery,
    cells: Sequence[Cell],
    *,
    until: TimeRange,
    forecast: Forecast | None = None,
) -> CostAnalytics:
    """`cells` may hold those of the range before: they are the ones that begin before the range does."""
    series = [cell for cell in cells if cell.time_range.start >= until.start]
    earlier = [cell for cell in cells if cell.time_range.start < until.start]
    groups = _groups(series, earlier, compare=query.compare) if query.group_by else []
    places = {(group.key, group.other): place for place, group in enumerate(groups)}
    return CostAnalytics(
        query=query,
        until=until,
        totals=add_up(cell.totals for cell in series),
        previous_range=until.before() if query.compare else None,
        previous=add_up(cell.totals for cell in earlier) if query.compare else None,
        groups=tuple(groups),
        series=tuple(
            sorted(series, key=lambda c: (c.time_range.start, places.get((c.key, c.other), len(places))))
        ),
        forecast=forecast,
    )


def change(now: int, before: int) -> float | None:
    """By what part it grew (0.25 is a quarter more); None where there was nothing before."""
    return (now - before) / before if before else None


def _groups(series: Iterable[Cell], earlier: Iterable[Cell], *, compare: bool) -> list[Group]:
    cells: dict[tuple[GroupKey, bool], list[Cell]] = {}
    for cell in series:
        cells.setdefault((cell.key, cell.other), []).append(cell)
    before: dict[tuple[GroupKey, bool], list[Totals]] = {}
    for cell in earlier:
        before.setdefault((cell.key, cell.other), []).append(cell.totals)
        cells.setdefault((cell.key, cell.other), [])
    groups = [
        Group(
            key=key,
            other=other,
            names=found[0].names if found else (),
            totals=add_up(cell.totals for cell in found),
            previous=add_up(before.get((key, other), ())) if compare else None,
        )
        for (key, other), found in cells.items()
    ]
    return sorted(groups, key=lambda g: (g.other, -g.totals.spend_pico, _ordered(g.key)))


def _ordered(key: GroupKey) -> tuple[tuple[str, str], ...]:
    return tuple((dimension, value or "") for dimension, value in key)
