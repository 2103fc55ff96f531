"""The ledger without a database: the same decisions, in one process, for tests and notebooks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from models.ledger.holds import Ask, Blocked, Grant
from models.ledger.usage import UsageRecord

Kind = Literal["reserve", "settle", "release", "expire", "adjust"]


@dataclass
class Budget:
    """`owner` is the id of what `scope` names. One window, which never ends."""

    scope: Literal["tenant", "team", "user", "key", "conversation"]
    owner: str
    limit_pico: int
    posted_pico: int = 0
    pending_pico: int = 0

    @property
    def room(self) -> int:
        return self.limit_pico - self.posted_pico - self.pending_pico

    def counts(self, ask: Ask) -> bool:
        return bool(getattr(ask, f"{self.scope}_id") == self.owner)


@dataclass(frozen=True)
class Transfer:
    op_key: str
    kind: Kind
    amount_pico: int
    posted_pico: int = 0
    """What it adds to what budgets count."""
    entries: dict[str, int] = field(default_factory=dict)
    """Debits are positive; they sum to zero."""


@dataclass
class Hold:
    amount_pico: int
    budgets: list[Budget]
    lease_until: datetime
    record: UsageRecord


def granted(ask: Ask, available: int | None) -> int | None:
    """As the SQL function of this name."""
    if available is None:
        return ask.most_pico
    if available < ask.least_pico:
        return None
    return min(ask.most_pico, max(min(ask.usual_pico, available), available // 8))


class InMemoryLedgerStore:
    """`clock` says what time it is; holds lapse `lease_s` after they were last heard of."""

    def __init__(self, budgets: Sequence[Budget] = (), *, lease_s: float = 30.0) -> None:
        self.budgets = list(budgets)
        self.holds: dict[str, Hold] = {}
        self.transfers: dict[str, Transfer] = {}
        self.usage: dict[str, UsageRecord] = {}
        self._counted: dict[str, list[Budget]] = {}
        """What a reservation counts against, by its `op_key`."""
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._lease = timedelta(seconds=lease_s)

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        for record in records:
            self._resolve(record)
        return [self._reserve(ask) for ask in asks]

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        for record in records:
            if hold := self.holds.get(record.op_key):
                hold.lease_until = self.now() + self._lease
                hold.record = _at_most(record, hold.amount_pico)

    async def expired(self, *, limit: int) -> list[UsageRecord]:
        now = self.now()
        return [hold.record for hold in self.holds.values() if hold.lease_until < now][:limit]

    async def ping(self) -> None:
        pass

    def _reserve(self, ask: Ask) -> Grant:
        if ask.op_key in self.transfers or ask.op_key in self.usage:
            known = self.holds.get(ask.op_key)
            return Grant(op_key=ask.op_key, granted_pico=None if known is None else known.amount_pico)
        budgets = [budget for budget in self.budgets if budget.counts(ask)]
        amount = granted(ask, min((budget.room for budget in budgets), default=None))
        if amount is None:
            return _refused(ask, budgets)
        for budget in budgets:
            budget.pending_pico += amount
        self.holds[ask.op_key] = Hold(amount, budgets, self.now() + self._lease, _at_most(ask.record, amount))
        self.transfers[ask.op_key] = Transfer(ask.op_key, "reserve", amount)
        self._counted[ask.op_key] = budgets
        return Grant(op_key=ask.op_key, granted_pico=amount)

    def _resolve(self, record: UsageRecord) -> None:
        hold = self.holds.pop(record.op_key, None)
        corrected = False
        if hold is None:
            corrected = self._late(record)
        else:
            self._close(hold, record)
        known = self.usage.get(record.op_key)
        if corrected or known is None or (known.status == "expired" and record.status != "expired"):
            self.usage[record.op_key] = record

    def _close(self, hold: Hold, record: UsageRecord) -> None:
        posted = min(max(record.cost_pico, record.counted_pico or 0), hold.amount_pico)
        for budget in hold.budgets:
            budget.pending_pico -= hold.amount_pico
            budget.posted_pico += posted
        within = min(record.cost_pico, hold.amount_pico)
        kind: Kind = "settle"
        if record.status == "expired":
            kind = "expire"
        elif record.cost_pico == 0 and record.status != "completed":
            kind = "release"
        overrun, discount = record.cost_pico - within, record.discount_pico
        self._post(
            f"{record.op_key}:end",
            kind,
            record,
            posted=posted,
            paid=within,
            overrun=overrun,
            discount=discount,
        )

    def _late(self, record: UsageRecord) -> bool:
        """Told again: nothing happens. Told after a guess or a release: what was charged is corrected, once.
        Whether it was."""
        earlier = self.transfers.get(f"{record.op_key}:end")
        if earlier is not None and (earlier.kind == "settle" or record.status == "expired"):
            return False
        key = f"{record.op_key}:adjust"
        if key in self.transfers:
            return False
        guess = earlier if earlier is not None and earlier.kind == "expire" else None
        sides = {} if guess is None else guess.entries
        before, overrun_before = (guess.amount_pico if guess else 0), sides.get("overrun", 0)
        counted = earlier.posted_pico if earlier is not None else 0
        discount = record.discount_pico - sides.get("discount", 0)
        if record.cost_pico == before and counted <= before and not discount:
            return False
        # The hold is gone: what was counted is all that the budgets still have room for.
        posted = min(record.cost_pico - counted, 0)
        paid = min(record.cost_pico, counted) - (before - overrun_before)
        overrun = record.cost_pico - before - paid
        for budget in self._counted.get(record.op_key, ()):
            budget.posted_pico += posted
        self._post(key, "adjust", record, posted=posted, paid=paid, overrun=overrun, discount=discount)
        return True

    def _post(
        self,
        key: str,
        kind: Kind,
        record: UsageRecord,
        *,
        posted: int,
        paid: int,
        overrun: int,
        discount: int,
    ) -> None:
        sides = {f"key:{record.key_id or ''}": paid, "overrun": overrun, "discount": discount}
        sides[f"provider:{record.provider}"] = -(paid + overrun + discount)
        entries = {account: amount for account, amount in sides.items() if amount}
        self.transfers[key] = Transfer(key, kind, abs(paid + overrun), posted, entries)


def _at_most(record: UsageRecord, held_pico: int) -> UsageRecord:
    """A call that nobody tells the end of neither costs nor counts more than is held."""
    if max(record.cost_pico, record.counted_pico or 0) <= held_pico:
        return record
    return replace(record, cost_pico=min(record.cost_pico, held_pico), counted_pico=held_pico)


def _refused(ask: Ask, budgets: Sequence[Budget]) -> Grant:
    tightest = min(budgets, key=lambda budget: budget.room)
    return Grant(
        op_key=ask.op_key,
        in_flight=all(budget.room + budget.pending_pico >= ask.least_pico for budget in budgets),
        blocked=Blocked(
            budget_id=f"{tightest.scope}:{tightest.owner}",
            scope=tightest.scope,
            period="total",
            limit_pico=tightest.limit_pico,
            left_pico=tightest.room,
            window_start=datetime.fromtimestamp(0, UTC),
        ),
    )
