"""`CostOptimizer`: what was spent, on what, what it will come to, and how to spend less."""

from collections.abc import Callable, Container, Sequence
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from models.catalog import Catalog
from models.reports.advice import (
    CostOptimization,
    Evidence,
    downgrades,
    no_evidence,
    prompt_caching,
    repeated_prompts,
    slower_tiers,
    unfinished,
)
from models.reports.analytics import CostAnalytics, compose
from models.reports.forecast import HISTORY_DAYS, Forecast, forecast
from models.reports.rates import Rater, Reckon, sizes_of
from models.reports.rows import SIMPLE, CostRecord, Simple
from models.reports.selection import Owner, Selection, UsageQuery
from models.reports.store import ReportStore
from models.reports.time_range import TimeRange, begin_of, checked

LONGEST_ADVISED = timedelta(days=92)

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

OwnersT = TypeVar("OwnersT")
StatusT = TypeVar("StatusT")
Owners_contra = TypeVar("Owners_contra", contravariant=True)
Status_co = TypeVar("Status_co", covariant=True)


class Budgets(Protocol[Owners_contra, Status_co]):
    """What the ledger's BudgetManager does."""

    async def check_budget_availability(self, owners: Owners_contra, estimated_pico: int, /) -> Status_co: ...


class Advice(Struct, frozen=True, kw_only=True):
    """Recommendations, the one that saves most first. Their savings overlap: a call may be in several."""

    owner: Owner
    until: TimeRange
    spend_pico: int
    price_snapshot: str
    found: tuple[CostOptimization, ...]

    def per_30_days(self, savings_pico: int) -> int:
        """As if the rest of 30 days were like the range; rounded down."""
        return savings_pico * (30 * _DAY // _SECOND) // max(1, self.until.length // _SECOND)


class CostOptimizer(Generic[OwnersT, StatusT]):
    """Reads what the ledger wrote and changes nothing."""

    def __init__(
        self,
        store: ReportStore,
        *,
        budgets: Budgets[OwnersT, StatusT],
        catalog: Callable[[], Catalog],
        available: Callable[[], Container[str]],
        reckon: Reckon,
        clock: Callable[[], datetime],
        simple: Simple = SIMPLE,
        background: Sequence[str] = (),
        evidence: Evidence = no_evidence,
    ) -> None:
        self._store = store
        self._budgets = budgets
        self._catalog = catalog
        self._available = available
        self._reckon = reckon
        self._clock = clock
        self._simple = simple
        self._background = background
        self._evidence = evidence

    async def analyse(self, query: UsageQuery) -> CostAnalytics:
        """Raises InvalidRequest for a query that asks for too much."""
        query, now = query.checked(), self._clock()
        until = query.time_range.until(now)
        cells = await self._store.usage(query, until)
        report = compose(query, cells, until=until)
        if not query.forecast:
            return report
        return replace(report, forecast=await self._forecast(query, report.totals.spend_pico, now))

    async def recommend(self, owner: Owner, time_range: TimeRange) -> Advice:
        """What would have saved a cent or more in the part of the range that has passed."""
        until = checked(time_range, longest=LONGEST_ADVISED).until(self._clock())
        catalog = self._catalog()
        rater = Rater(catalog, self._clock(), sizes_of(catalog))
        # One after the other: a report takes no more than one connection.
        shapes = await self._store.shapes(
            owner, until, sizes=rater.sizes, simple=self._simple, background=self._background
        )
        turns = await self._store.turns(owner, until, sizes=rater.sizes)
        repeats = await self._store.repeats(owner, until)
        outcomes = await self._store.outcomes(owner, until)
        found = [
            *downgrades(
                shapes,
                rater=rater,
                available=self._available(),
                reckon=self._reckon,
                simple=self._simple,
                evidence=self._evidence,
            ),
            *prompt_caching(turns, rater=rater, reckon=self._reckon),
            *repeated_prompts(repeats),
            *slower_tiers(shapes, rater=rater, reckon=self._reckon),
            *unfinished(outcomes),
        ]
        return Advice(
            owner=owner,
            until=until,
            spend_pico=sum(outcome.spend_pico for outcome in outcomes),
            price_snapshot=catalog.snapshot,
            found=tuple(sorted(found, key=lambda advice: -advice.savings_pico)),
        )

    async def track_cost(self, request_id: str, *, owner: Owner) -> list[CostRecord]:
        """What a request cost, attempt by attempt.

        The tracking itself is the ledger's settle, in the transaction that charges the call and before its
        answer ends: nothing that could be told here would be as sure. Of a call under way nothing is known.
        """
        return await self._store.charges(owner, request_id)

    async def get_optimization_recommendations(
        self, user_id: str, *, tenant_id: str, days: int = 30
    ) -> Sequence[CostOptimization]:
        now = self._clock()
        return (await self.recommend(Owner(tenant_id, user_id), TimeRange(now - days * _DAY, now))).found

    async def generate_cost_analytics(
        self, user_id: str, time_range: TimeRange, *, tenant_id: str
    ) -> CostAnalytics:
        """By day and model, with the range before and what it will come to."""
        query = UsageQuery(
            selection=Selection(tenant_id=tenant_id, users=(user_id,)),
            time_range=time_range,
            group_by=("model",),
            compare=True,
            forecast=True,
        )
        return await self.analyse(query)

    async def check_budget_constraints(self, owners: OwnersT, estimated_pico: int) -> StatusT:
        """How the tightest budget that applies stands to a call of that cost: the budgets' own word."""
        return await self._budgets.check_budget_availability(owners, estimated_pico)

    async def _forecast(self, query: UsageQuery, spent_pico: int, now: datetime) -> Forecast | None:
        if not query.time_range.start <= now < query.time_range.end:
            return None
        today = begin_of("day", now)
        days = TimeRange(today - HISTORY_DAYS * _DAY, today).buckets("day")
        history = await self._store.daily_spend(query.selection, days)
        return forecast(history, spent_pico=spent_pico, time_range=query.time_range, now=now)
