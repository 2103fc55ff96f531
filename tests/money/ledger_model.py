"""A ledger so plain that it can be believed: a list of what happened, from which all is reckoned anew.

Shares the vocabulary (`Ask`, `UsageRecord`) with what it checks, and no rule.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from msgspec import structs

from models.ledger import Ask, UsageRecord

Scope = Literal["tenant", "team", "user", "key", "conversation"]
Kind = Literal["reserve", "settle", "release", "expire", "adjust"]

LEASE_S = 30.0


@dataclass(frozen=True)
class Limit:
    """A hard budget without an end."""

    scope: Scope
    owner: str
    pico: int


@dataclass(frozen=True)
class Reserved:
    ask: Ask
    amount: int
    at: float


@dataclass(frozen=True)
class Told:
    record: UsageRecord


@dataclass(frozen=True)
class Renewed:
    record: UsageRecord
    at: float


Event = Reserved | Told | Renewed


@dataclass(frozen=True)
class Fate:
    """What became of one call."""

    held: int = 0
    is_open: bool = False
    heard_at: float = 0.0
    guess: UsageRecord | None = None
    """What it is charged if nobody tells how it ended."""
    moves: tuple[tuple[Kind, int], ...] = ()
    """The journal's lines about it, with their amounts."""
    charged: int = 0
    paid: int = 0
    """The part of the charge that was held for; the rest is overrun."""
    counted: int = 0
    """What counts against budgets: what is paid, or more while nobody knows how much it has used."""
    discount: int = 0
    usage: UsageRecord | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """Against every budget that applies: spent, held."""
        return self.counted, self.held if self.is_open else 0


@dataclass(frozen=True)
class Picture:
    """Everything that can be seen of a ledger from outside."""

    balances: tuple[tuple[int, int], ...]
    """Spent and held of each budget."""
    holds: Mapping[str, int]
    moves: Mapping[str, tuple[tuple[Kind, int], ...]]
    accounts: Mapping[str, int]
    """Debits less credits of each account of the journal."""
    usage: Mapping[str, tuple[str, int, int]]
    """Status, charge and discount of each call."""


@dataclass
class ModelLedger:
    limits: tuple[Limit, ...]
    events: dict[str, list[Event]] = field(default_factory=dict)
    """By the calls' `op_key`."""
    asks: dict[str, Ask] = field(default_factory=dict)

    def reserve(self, ask: Ask, *, at: float) -> int | None:
        """What is held for it."""
        known = self.events.get(ask.op_key)
        if known is not None:
            fate = fate_of(known)
            return fate.held if fate.is_open else None
        room = min((limit.pico - sum(self._counts(limit)) for limit in self._limits(ask)), default=None)
        if room is not None and room < ask.least_pico:
            return None
        amount = ask.most_pico if room is None else min(ask.most_pico, _share(ask, room))
        self.asks[ask.op_key] = ask
        self.events[ask.op_key] = [Reserved(ask, amount, at)]
        return amount

    def tell(self, record: UsageRecord) -> None:
        self.events.setdefault(record.op_key, []).append(Told(record))

    def renew(self, record: UsageRecord, *, at: float) -> None:
        if record.op_key in self.events:
            self.events[record.op_key].append(Renewed(record, at))

    def lapsed(self, *, at: float) -> list[UsageRecord]:
        fates = map(fate_of, self.events.values())
        return [f.guess for f in fates if f.is_open and f.guess is not None and f.heard_at + LEASE_S < at]

    def picture(self) -> Picture:
        fates = {op_key: fate_of(events) for op_key, events in self.events.items()}
        return Picture(
            balances=tuple(self._counts(limit) for limit in self.limits),
            holds={op_key: fate.held for op_key, fate in fates.items() if fate.is_open},
            moves={op_key: fate.moves for op_key, fate in fates.items() if fate.moves},
            accounts=_accounts(fates.values()),
            usage={
                op_key: (fate.usage.status, fate.usage.cost_pico, fate.usage.discount_pico)
                for op_key, fate in fates.items()
                if fate.usage is not None
            },
        )

    def _limits(self, ask: Ask) -> list[Limit]:
        return [limit for limit in self.limits if getattr(ask, f"{limit.scope}_id") == limit.owner]

    def _counts(self, limit: Limit) -> tuple[int, int]:
        counts = [
            fate_of(events).counts
            for op_key, events in self.events.items()
            if op_key in self.asks and limit in self._limits(self.asks[op_key])
        ]
        return sum(paid for paid, _ in counts), sum(held for _, held in counts)


def fate_of(events: Iterable[Event]) -> Fate:
    fate = Fate()
    for event in events:
        match event:
            case Reserved(ask, amount, at):
                moves: tuple[tuple[Kind, int], ...] = (("reserve", amount),)
                guess = _within(amount, ask.record)
                fate = replace(fate, held=amount, is_open=True, heard_at=at, guess=guess, moves=moves)
            case Renewed(record, at) if fate.is_open:
                fate = replace(fate, heard_at=at, guess=_within(fate.held, record))
            case Told(record):
                fate = _closed(fate, record) if fate.is_open else _corrected(fate, record)
            case _:
                pass
    return fate


def _within(held: int, guess: UsageRecord) -> UsageRecord:
    """Nothing beyond what is held is guessed."""
    counted = None if guess.counted_pico is None else min(held, guess.counted_pico)
    if guess.cost_pico > held:
        counted = held
    return structs.replace(guess, cost_pico=min(held, guess.cost_pico), counted_pico=counted)


def _share(ask: Ask, room: int) -> int:
    """No more than calls usually cost, nor than there is, unless an eighth of what there is is more."""
    usual = ask.usual_pico if ask.usual_pico < room else room
    return usual if usual > room // 8 else room // 8


def _closed(fate: Fate, record: UsageRecord) -> Fate:
    kind: Kind = "settle"
    if record.status == "expired":
        kind = "expire"
    elif record.status != "completed" and record.cost_pico == 0:
        kind = "release"
    return replace(
        fate,
        is_open=False,
        charged=record.cost_pico,
        paid=min(record.cost_pico, fate.held),
        counted=min(max(record.cost_pico, record.counted_pico or 0), fate.held),
        discount=record.discount_pico,
        usage=record,
        moves=(*fate.moves, (kind, record.cost_pico)),
    )


def _corrected(fate: Fate, record: UsageRecord) -> Fate:
    """Told of a call that is not open: a guess gives way to what is known, once; what is known stays."""
    kinds = [kind for kind, _ in fate.moves]
    if "settle" in kinds or "adjust" in kinds or (record.status == "expired" and fate.usage is not None):
        return fate
    is_right = (record.cost_pico, record.discount_pico) == (fate.charged, fate.discount)
    if is_right and fate.counted <= fate.charged:
        is_guess = fate.usage is None or fate.usage.status == "expired"
        return replace(fate, usage=record) if is_guess else fate
    return replace(
        fate,
        charged=record.cost_pico,
        paid=min(fate.counted, record.cost_pico),
        counted=min(fate.counted, record.cost_pico),
        discount=record.discount_pico,
        usage=record,
        moves=(*fate.moves, ("adjust", abs(record.cost_pico - fate.charged))),
    )


def _accounts(fates: Iterable[Fate]) -> Mapping[str, int]:
    sums: dict[str, int] = {}

    def move(account: str, pico: int) -> None:
        sums[account] = sums.get(account, 0) + pico

    for fate in fates:
        if fate.usage is not None:
            move(f"key:{fate.usage.key_id or ''}", fate.paid)
            move("overrun", fate.charged - fate.paid)
            move("discount", fate.discount)
            move(f"provider:{fate.usage.provider}", -(fate.charged + fate.discount))
    return {account: pico for account, pico in sums.items() if pico}
