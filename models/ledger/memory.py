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
                hold.lease_until, hold.record = self.now() + self._lease, record

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
        within = min(record.cost_pico, hold.amount_pico)
        for budget in hold.budgets:
            budget.pending_pico -= hold.amount_pico
            budget.posted_pico += within
        kind: Kind = "settle"
        if record.status == "expired":
            kind = "expire"
        elif record.cost_pico == 0 and record.status != "completed":
            kind = "release"
        overrun, discount = record.cost_pico - within, record.discount_pico
        self._post(f"{record.op_key}:end", kind, record, paid=within, overrun=overrun, discount=discount)

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
        discount = record.discount_pico - sides.get("discount", 0)
        if record.cost_pico == before and not discount:
            return False
        # The hold is gone: what was paid of the guess is all that the budgets still have room for.
        paid = min(record.cost_pico - (before - overrun_before), 0)
        overrun = record.cost_pico - before - paid
        for budget in self._counted.get(record.op_key, ()):
            budget.posted_pico += paid
        self._post(key, "adjust", record, paid=paid, overrun=overrun, discount=discount)
        return True

    def _post(
        self, key: str, kind: Kind, record: UsageRecord, *, paid: int, overrun: int, discount: int
    ) -> None:
        sides = {f"key:{record.key_id or ''}": paid, "overrun": overrun, "discount": discount}
        sides[f"provider:{record.provider}"] = -(paid + overrun + discount)
        self.transfers[key] = Transfer(key, kind, abs(paid + overrun), {k: v for k, v in sides.items() if v})


def _at_most(record: UsageRecord, held_pico: int) -> UsageRecord:
    """No more than is held is charged for a call that nobody tells the end of."""
    return record if record.cost_pico <= held_pico else replace(record, cost_pico=held_pico)


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
