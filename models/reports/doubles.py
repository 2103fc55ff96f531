"""A stand-in for the reports' store, that answers what it was given."""

from collections.abc import Sequence
from datetime import datetime

from models.errors import PolyvoxError
from models.reports.rates import Sizes
from models.reports.rows import CostRecord, Outcome, OutputLengths, Repeats, Shape, Simple, Turns
from models.reports.selection import Owner, Selection, UsageQuery
from models.reports.time_range import TimeRange
from models.reports.totals import Cell


class ScriptedReports:
    """Set what it is to answer; `asked` holds whose calls it was asked for, `away` makes it fail."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.daily_pico: list[int] = []
        self.shaped: list[Shape] = []
        self.turned: list[Turns] = []
        self.repeated: list[Repeats] = []
        self.ended: list[Outcome] = []
        self.charged: list[CostRecord] = []
        self.lengths: dict[Owner, list[OutputLengths]] = {}
        self.asked: list[UsageQuery | Selection | Owner] = []
        self.away: PolyvoxError | None = None

    async def usage(self, query: UsageQuery, until: TimeRange) -> list[Cell]:
        self._ask(query)
        first = until.before().start if query.compare else until.start
        return [c for c in self.cells if first <= c.time_range.start < until.end]

    async def daily_spend(self, selection: Selection, days: Sequence[TimeRange]) -> list[int]:
        self._ask(selection)
        return [*[0] * (len(days) - len(self.daily_pico)), *self.daily_pico][-len(days) :]

    async def shapes(
        self,
        owner: Owner,
        time_range: TimeRange,
        *,
        sizes: Sizes,
        simple: Simple,
        background: Sequence[str],
    ) -> list[Shape]:
        del time_range, sizes, simple, background
        self._ask(owner)
        return self.shaped

    async def turns(self, owner: Owner, time_range: TimeRange, *, sizes: Sizes) -> list[Turns]:
        del time_range, sizes
        self._ask(owner)
        return self.turned

    async def repeats(self, owner: Owner, time_range: TimeRange) -> list[Repeats]:
        del time_range
        self._ask(owner)
        return self.repeated

    async def outcomes(self, owner: Owner, time_range: TimeRange) -> list[Outcome]:
        del time_range
        self._ask(owner)
        return self.ended

    async def charges(self, owner: Owner, request_id: str) -> list[CostRecord]:
        self._ask(owner)
        return [record for record in self.charged if record.request_id == request_id]

    async def output_lengths(self, owner: Owner, *, since: datetime) -> list[OutputLengths]:
        del since
        self._ask(owner)
        return self.lengths.get(owner, [])

    def _ask(self, whose: UsageQuery | Selection | Owner) -> None:
        if self.away is not None:
            raise self.away
        self.asked.append(whose)
