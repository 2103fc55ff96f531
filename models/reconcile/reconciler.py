"""The job that compares the ledger with what the providers report, and adjusts."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property

from msgspec import Struct

from models.catalog import Catalog
from models.errors import ProviderError, ProviderGarbled, ProviderTimeout
from models.events import EventLog
from models.reconcile.alarms import raise_alarm
from models.reconcile.assessment import assess, wait
from models.reconcile.comparison import Range
from models.reconcile.figures import ProviderRun, RunReport
from models.reconcile.names import Names
from models.reconcile.prices import CataloguePrices
from models.reconcile.record import LedgerSide, Outcome, Recorded
from models.reconcile.report import SPAN, Billed, Report, UsageReportSource, Width
from models.reconcile.store import ReconciliationStore, Spot, Tolerance
from models.reconcile.walk import Walk

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGES_MAX = 500
_CHUNK = timedelta(hours=6)


class Timing(Struct, frozen=True, kw_only=True):
    """When a bucket is looked at. All spans count from its end."""

    width: Width = "day"
    """Costs are reported by the day; by the hour or minute only tokens are."""
    settle_lag: timedelta = timedelta(hours=24)
    """Before it the provider is not expected to know everything."""
    patience: timedelta = timedelta(hours=72)
    """After it what was not reported is taken for not billed, and a bucket that was not is alarmed."""
    lookback: timedelta = timedelta(days=7)
    """So long what comes late changes the outcome."""
    tolerance: Tolerance = Tolerance()
    provider_timeout_s: float = 120.0
    """For reading a provider's reports, and again for comparing them."""

    def __post_init__(self) -> None:
        if self.lookback < self.settle_lag + SPAN[self.width]:
            raise ValueError("no bucket is both settled and looked back at")


class Reconciler:
    """`connect` gives the sources by provider when they are first wanted, as SDKs take their time to load.
    None is one that could be asked if there were a key. `catalog` gives the catalogue in force."""

    def __init__(
        self,
        store: ReconciliationStore,
        connect: Callable[[], Mapping[str, UsageReportSource | None]],
        *,
        catalog: Callable[[], Catalog],
        events: EventLog,
        timing: Timing | None = None,
    ) -> None:
        self.last: RunReport | None = None
        """What the newest run of this process came to."""
        self._store = store
        self._connect = connect
        self._catalog = catalog
        self._events = events
        self._timing = timing or Timing()
        self._said: set[str] = set()

    @cached_property
    def _sources(self) -> Mapping[str, UsageReportSource | None]:
        return self._connect()

    async def close(self) -> None:
        if "_sources" in vars(self):
            await asyncio.gather(*(source.close() for source in self._sources.values() if source))

    async def run_once(self) -> None:
        await self.run()

    async def run(self) -> RunReport:
        """All providers, one after another; nothing while another process does. Raises Overloaded."""
        lease_s = 2 * self._timing.provider_timeout_s * len(self._sources) + 60
        lease = await self._store.take_lease(lease_s)
        if lease is None:
            return RunReport(busy=True)
        try:
            now = await self._store.now()
            runs = [await self._provider(provider, now) for provider in self._sources]
        finally:
            await self._store.drop_lease(lease)
        self.last = RunReport(at=now, providers=tuple(runs))
        return self.last

    async def _provider(self, provider: str, now: datetime) -> ProviderRun:
        source = self._sources[provider]
        if source is None:
            if provider not in self._said:
                self._said.add(provider)
                log.info(
                    "reconciliation with %s is not configured: there is no key for its reports", provider
                )
            return ProviderRun(provider=provider, state="not_configured")
        start, end = await self._stretch(provider, now)
        run = ProviderRun(provider=provider, state="done")
        if start >= end:
            return run
        report: Report | None = None
        try:
            report = await self._read(source, start, end)
            run.duplicates = report.duplicates
        except ProviderError as error:
            log.warning("the reports of %s cannot be read: %s", provider, error.message)
            run.state, run.error = "failed", error.code
        try:
            async with asyncio.timeout(self._timing.provider_timeout_s):
                await self._compare(run, report, start, end, now)
        except TimeoutError:
            log.warning("comparing with %s takes too long: the next run goes on", provider)
            run.state, run.error = "unfinished", "deadline_exceeded"
        return run

    async def _stretch(self, provider: str, now: datetime) -> tuple[datetime, datetime]:
        """The closed buckets that are looked at."""
        width = SPAN[self._timing.width]
        start = now - self._timing.lookback
        other = await self._store.other_width_until(provider, width)
        if other is not None:
            start = max(start, other)
        return _edge_from(start, width), _edge_until(now - self._timing.settle_lag, width)

    async def _read(self, source: UsageReportSource, start: datetime, end: datetime) -> Report:
        report = Report(source.usage_parts)
        pages = 0
        try:
            async with asyncio.timeout(self._timing.provider_timeout_s):
                async for page in source.pages(start=start, end=end, width=self._timing.width):
                    report.add(page)
                    pages += 1
                    if pages > PAGES_MAX:
                        raise ProviderGarbled("a report without an end", provider=source.provider)
        except TimeoutError:
            raise ProviderTimeout("its reports take too long", provider=source.provider) from None
        return report

    async def _compare(
        self, run: ProviderRun, report: Report | None, start: datetime, end: datetime, now: datetime
    ) -> None:
        """`report` None: it could not be read, so what is new waits and what was compared stays."""
        width = SPAN[self._timing.width]
        sides, edges = await self._ledger(run.provider, start, end)
        newest = await self._store.newest(run.provider, start - width, end, width)
        billed = {} if report is None else self._by_model(run.provider, report)
        prices = CataloguePrices(self._catalog())
        for model in sorted({model for model, _ in (*sides, *billed, *newest)}):
            walk = Walk(
                provider=run.provider,
                model_id=model,
                width=width,
                edges=edges,
                newest=newest,
                overdue_before=now - self._timing.patience,
            )
            for bucket in walk.buckets(start, end):
                spot = model, bucket.start
                ledger, before = sides.get(spot, LedgerSide()), newest.get(spot)
                if report is None:
                    outcome = wait(bucket, ledger, run.error)
                else:
                    told = report.tells_of(bucket.start)
                    outcome = assess(bucket, ledger, billed.get(spot), told=told, prices=prices)
                if outcome.status == "waiting" and before and before.outcome.status != "waiting":
                    # What was compared once does not wait again because a report is gone.
                    outcome = before.outcome
                walk.carry(outcome)
                if spot in sides or spot in billed or before or outcome.drift_pico:
                    await self._keep(run, outcome, before)

    async def _ledger(
        self, provider: str, start: datetime, end: datetime
    ) -> tuple[dict[Spot, LedgerSide], dict[Spot, Range]]:
        """By stretches of a few hours, so that no statement takes long."""
        width, tolerance = SPAN[self._timing.width], self._timing.tolerance
        sides: dict[Spot, LedgerSide] = {}
        edges: dict[Spot, Range] = {}
        while start < end:
            until = min(end, start + _CHUNK)
            for spot, side in (await self._store.ledger_sides(provider, start, until, width)).items():
                sides[spot] = sides.get(spot, LedgerSide()) + side
            edges |= await self._store.edges(provider, start, until, width, tolerance)
            start = until
        return sides, edges

    def _by_model(self, provider: str, report: Report) -> dict[Spot, Billed]:
        """Snapshots of a model are one model."""
        names = Names(self._catalog(), provider)
        found: dict[Spot, Billed] = {}
        for (name, start), billed in report.billed().items():
            spot = names.id_of(name), start
            before = found.get(spot)
            found[spot] = billed if before is None else before + billed
        return found

    async def _keep(self, run: ProviderRun, outcome: Outcome, before: Recorded | None) -> None:
        run.count(outcome)
        if before is not None and before.outcome == outcome:
            return
        adjustment = outcome.drift_pico - (before.moved_pico if before else 0)
        if outcome.status == "waiting":
            # What was moved stays moved until more is known.
            adjustment = 0
        version = before.version + 1 if before else 1
        # The alarm first, which is raised once however often it is told: a crash in between loses none.
        await raise_alarm(self._events, outcome, before.outcome if before else None, version)
        if await self._store.record(outcome, version=version, adjustment_pico=adjustment):
            run.recorded += 1
            run.adjusted_pico += adjustment


def _edge_until(moment: datetime, width: timedelta) -> datetime:
    """The last edge of a bucket that is not after `moment`."""
    return EPOCH + (moment - EPOCH) // width * width


def _edge_from(moment: datetime, width: timedelta) -> datetime:
    """The first edge of a bucket that is not before `moment`."""
    return EPOCH - (EPOCH - moment) // width * width
