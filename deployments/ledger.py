"""`CostLedger`: what came while the last transaction ran is the next one."""

from collections.abc import AsyncIterator

import msgspec

from deployments.catalogue import following, live_catalogue
from deployments.housekeeping import Job
from deployments.lane_deployment import LaneDeployment
from deployments.settings import Args, Environment
from models.identity import load_pepper
from models.ledger import Ask, PostgresLedgerStore, UsageRecord
from models.ledger.batcher import LedgerBatcher
from models.ledger.discount_store import PostgresDiscounts
from models.ledger.store import PLANNER
from models.reconcile import Reconciler, ReconciliationStore, ReportAccess, connect_sources
from models.store import Database, SingleConnection

SWEEP_EVERY_S = 5.0
ALERTS_EVERY_S = 2.0
SCAN_EVERY_S = 3.0
DISCOUNTS_EVERY_S = 60.0
RECONCILE_EVERY_S = 3_600.0

_ask = msgspec.msgpack.Decoder(Ask)
_record = msgspec.msgpack.Decoder(UsageRecord)
_records = msgspec.msgpack.Decoder(list[UsageRecord])
_encode = msgspec.msgpack.Encoder().encode


class LedgerCalls:
    """The lane methods. Each answers once what it was told is durable."""

    def __init__(self, batcher: LedgerBatcher) -> None:
        self._batcher = batcher

    async def reserve(self, payload: bytes) -> AsyncIterator[bytes]:
        """An `Ask` in, the pico-USD that are held out."""
        yield _encode(await self._batcher.reserve(_ask.decode(payload)))

    async def settle(self, payload: bytes) -> AsyncIterator[bytes]:
        """A `UsageRecord` in."""
        await self._batcher.settle(_record.decode(payload))
        yield b""

    async def renew(self, payload: bytes) -> AsyncIterator[bytes]:
        """`UsageRecord`s of calls under way in."""
        await self._batcher.renew(_records.decode(payload))
        yield b""


class CostLedgerDeployment(LaneDeployment):
    """Batches holds and charges into PostgreSQL, which alone holds the truth: any number of replicas may run.

    Beside that it charges what holders that are gone left open, raises alerts and tells them, keeps
    volume discounts up to date, and compares the ledger with the providers' reports.
    """

    def __init__(self, args: Args) -> None:
        environment = Environment()
        url = environment.database_url.get_secret_value()
        connection = SingleConnection(url, planner=PLANNER, application_name="polyvox-ledger")
        # Apart, so that no job keeps a batch waiting.
        aside = Database(url, max_size=2, application_name="polyvox-housekeeping")
        live = live_catalogue(args, environment)
        events = args.alerts.event_log(aside)
        scan = args.alerts.scan(aside)
        self._reconciler = Reconciler(
            ReconciliationStore(aside),
            lambda: connect_sources(ReportAccess()),
            catalog=lambda: live.current,
            events=events,
        )
        self._alerts = args.alerts.delivery(aside, pepper=load_pepper(environment.pepper_path))
        self._batcher = LedgerBatcher(PostgresLedgerStore(connection), on_refused=scan.refused)
        calls = LedgerCalls(self._batcher)
        super().__init__(
            {"reserve": calls.reserve, "settle": calls.settle, "renew": calls.renew},
            max_in_flight=args.max_in_flight.ledger,
            jobs=[
                Job("the sweep of holds", SWEEP_EVERY_S, self._batcher.sweep),
                Job("the scan for alerts", SCAN_EVERY_S, scan.run_once),
                Job("the delivery of alerts", ALERTS_EVERY_S, self._alerts.run_once),
                Job("the reconciliation", RECONCILE_EVERY_S, self._reconciler.run_once),
                following(live, lambda _: None, events=events),
                Job("the volume discounts", DISCOUNTS_EVERY_S, PostgresDiscounts(aside).run_once),
            ],
        )

    async def __del__(self) -> None:
        await super().__del__()
        await self._alerts.close()
        await self._reconciler.close()
        await self._batcher.flush()
