"""`AlertScan`: budgets that have reached a threshold, and calls that cost more than was held for them."""

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from models.alerts.channels import OpsChannel, ops_json
from models.alerts.log import NewEvent, PostgresEventLog
from models.alerts.rows import Rows
from models.alerts.thresholds import (
    REARM_POINTS,
    REFUSED_FROM_PERCENT,
    SETTLED_PERCENT,
    THRESHOLDS,
    Alert,
    Reached,
    alert_of,
)
from models.money import usd_text
from models.store import Database

LOOKBACK_S = 8.0
"""Longer than any transaction of the ledger takes: its ids are given out before they are committed."""
MAX_MOVED = 20_000
MAX_SWEPT = 200
MAX_REFUSED = 1_000
BATCH = 200
_FIRST = str(UUID(int=0))


class AlertScan:
    """Any number may run at once: the database lets each alert be raised by one of them.

    A run looks at the budgets that money has moved in since a while ago, and at a page of all the others: so
    what it costs depends on neither how many budgets nor how many past windows there are. A changed limit,
    the passing of time and whatever was missed are noticed when a budget's turn comes.
    """

    def __init__(
        self,
        database: Database,
        *,
        ops: Sequence[OpsChannel] = (),
        lookback_s: float = LOOKBACK_S,
        max_moved: int = MAX_MOVED,
        max_swept: int = MAX_SWEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = Rows(database)
        self._log = PostgresEventLog(database, ops=ops)
        self._ops = ops_json(ops)
        self._max_moved = max_moved
        self._max_swept = max_swept
        self._trail = Trail(lookback_s, clock)
        self._swept = _FIRST
        self._overruns_after = 0
        self._refused: set[str] = set()

    def refused(self, budget_id: str) -> None:
        """This budget has turned a call away for good, not only because of calls under way."""
        if len(self._refused) < MAX_REFUSED:
            self._refused.add(budget_id)

    async def run_once(self) -> None:
        """Raises Overloaded if the database is away; the next run makes good for it."""
        await self.send_budget_alerts()
        await self.tell_overruns()

    async def send_budget_alerts(self) -> int:
        """How many alerts this run has raised; a tenant's channels are told by the delivery."""
        refused = self._refused.copy()
        rows = await self._rows.fetch(
            "watch",
            {
                "after": self._trail.position,
                "max_moved": self._max_moved,
                "swept": self._swept,
                "max_swept": self._max_swept,
                "refused": list(refused),
                "refused_from": REFUSED_FROM_PERCENT,
                "thresholds": list(THRESHOLDS),
                "rearm": REARM_POINTS,
                "settled_percent": SETTLED_PERCENT,
            },
        )
        alerts = [alert_of(_reached(row)) for row in rows if row["kind"] is not None]
        raised = 0
        for first in range(0, len(alerts), BATCH):
            raised += await self._raise(alerts[first : first + BATCH])
        self._refused -= refused
        self._advance(rows[0])
        return raised

    async def tell_overruns(self) -> None:
        """An event for each transfer with an overrun that has none, up to so many."""
        settled = self._trail.settled
        rows = await self._rows.fetch("overruns", {"after": self._overruns_after, "limit": BATCH})
        if rows:
            await self._log.append_all([_overrun(row) for row in rows])
        if len(rows) < BATCH:
            self._overruns_after = settled

    async def _raise(self, alerts: Sequence[Alert]) -> int:
        rows = json.dumps([_row(alert) for alert in alerts])
        [counted] = await self._rows.fetch("raise_alerts", {"alerts": rows, "ops": self._ops})
        return int(counted["raised"])

    def _advance(self, cursors: DictRow) -> None:
        self._trail.reached(cursors["last_moved"], behind=cursors["moved"] == self._max_moved)
        self._swept = cursors["last_swept"] if cursors["swept"] == self._max_swept else _FIRST


class Trail:
    """How far the journal has been read. What commits after later ids have been read turns up behind them."""

    def __init__(self, lookback_s: float, clock: Callable[[], float]) -> None:
        self.position: int | None = None
        """Where the next run begins."""
        self.settled = 0
        """Up to here nothing can turn up any more."""
        self._lookback_s = lookback_s
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def reached(self, transfer_id: int | None, *, behind: bool = False) -> None:
        """The last one read, if any. `behind`: there is more; what turns up late is left to the round."""
        now = self._clock()
        if transfer_id is not None:
            self._seen.append((now, transfer_id))
        while self._seen and self._seen[0][0] <= now - self._lookback_s:
            self.settled = self._seen.popleft()[1]
            self.position = max(self.position or 0, self.settled)
        if behind:
            self.position = transfer_id


def _reached(row: DictRow) -> Reached:
    overage = row["overage_pico"]
    return Reached(
        budget_id=row["budget_id"],
        tenant_id=row["tenant_id"],
        scope=row["scope"],
        owner=row["owner"],
        name=row["name"],
        period=row["period"],
        hard=row["hard"],
        window_start=row["window_start"],
        limit_pico=int(row["limit_pico"]),
        posted_pico=int(row["posted_pico"]),
        pending_pico=int(row["pending_pico"]),
        kind=row["kind"],
        percent=row["percent"],
        overage_pico=None if overage is None else int(overage),
    )


def _row(alert: Alert) -> dict[str, object]:
    return {
        "event_id": str(uuid4()),
        "budget_id": alert.budget_id,
        "tenant_id": alert.tenant_id,
        "window_start": alert.window_start,
        "limit_pico": alert.limit_pico,
        "kind": alert.kind,
        "severity": alert.severity,
        "subject": alert.subject,
        "payload": alert.payload,
    }


def _overrun(row: DictRow) -> NewEvent:
    return NewEvent(
        kind="ledger.overrun",
        severity="warning",
        tenant_id=row["tenant_id"],
        subject={"transfer_id": row["transfer_id"], "op_key": row["op_key"]},
        payload={
            "overrun_usd": usd_text(int(row["overrun_pico"])),
            "cost_usd": usd_text(int(row["cost_pico"])),
        },
        once=str(row["transfer_id"]),
    )
