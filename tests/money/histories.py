"""Histories of a ledger: what happens to it, drawn at random, and the ledgers that it happens to."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from models.ledger import Ask, Grant, UsageRecord
from models.ledger.usage import Status
from tests.money.ledger_model import Limit, ModelLedger, Picture, Scope

T = TypeVar("T")

TEAMS = ("7c1ff0f2-0000-4000-8000-000000000001", "7c1ff0f2-0000-4000-8000-000000000002")
USERS = ("7c1ff0f2-0000-4000-8000-00000000000a", "7c1ff0f2-0000-4000-8000-00000000000b")
KEYS = ("key_1", "key_2", "key_3")
CONVERSATIONS = ("talk", None)
CALLS = 8

_AT = datetime(2026, 11, 24, tzinfo=UTC)


class Draw(Protocol):
    """Where chance comes from."""

    def integer(self, low: int, high: int) -> int: ...

    def choice(self, options: Sequence[T]) -> T: ...


class RandomDraw:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def integer(self, low: int, high: int) -> int:
        return low + int(self._chance.random() * (high - low + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self._chance.random() * len(options))]


@dataclass(frozen=True)
class Batch:
    records: tuple[UsageRecord, ...] = ()
    asks: tuple[Ask, ...] = ()

    def __str__(self) -> str:
        asks = [f"reserve {a.op_key} {a.least_pico}/{a.usual_pico}/{a.most_pico}" for a in self.asks]
        return ", ".join([*map(_said, self.records), *asks]) or "nothing"


@dataclass(frozen=True)
class Renewal:
    records: tuple[UsageRecord, ...]

    def __str__(self) -> str:
        return f"renew {', '.join(map(_said, self.records))}"


@dataclass(frozen=True)
class Sweep:
    """What nobody has renewed is charged as guessed."""


@dataclass(frozen=True)
class Pause:
    seconds: float


Operation = Batch | Renewal | Sweep | Pause


@dataclass(frozen=True)
class History:
    tenant: str
    limits: tuple[Limit, ...]
    operations: tuple[Operation, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.limits, *self.operations)))


class Disagreement(AssertionError):
    """Ledgers that the same has happened to differ, or one breaks a rule that holds at any time."""


class LedgerUnderTest(Protocol):
    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]: ...

    async def renew(self, records: Sequence[UsageRecord]) -> None: ...

    async def lapsed(self) -> list[UsageRecord]: ...

    async def pause(self, seconds: float) -> None: ...

    async def picture(self) -> Picture: ...


class ModelUnderTest:
    """The model, asked as a ledger is."""

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self._model = ModelLedger(limits)
        self._now = 0.0

    async def apply(self, records: Sequence[UsageRecord], asks: Sequence[Ask]) -> list[Grant]:
        for record in records:
            self._model.tell(record)
        amounts = [self._model.reserve(ask, at=self._now) for ask in asks]
        return [Grant(op_key=a.op_key, granted_pico=amount) for a, amount in zip(asks, amounts, strict=True)]

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        for record in records:
            self._model.renew(record, at=self._now)

    async def lapsed(self) -> list[UsageRecord]:
        return self._model.lapsed(at=self._now)

    async def pause(self, seconds: float) -> None:
        self._now += seconds

    async def picture(self) -> Picture:
        return self._model.picture()


@dataclass
class Author:
    """Draws a history. A call's reservation, guess and outcome stay the same, however often they are told."""

    draw: Draw
    tenant: str
    prefix: str = "req"
    _asks: dict[int, Ask] = field(default_factory=dict)
    _outcomes: dict[int, UsageRecord] = field(default_factory=dict)

    def history(self, *, longest: int = 16) -> History:
        limits = tuple(self._limit() for _ in range(self.draw.integer(0, 4)))
        operations = tuple(self._operation() for _ in range(self.draw.integer(1, longest)))
        return History(self.tenant, limits, operations)

    def _limit(self) -> Limit:
        scopes: tuple[Scope, ...] = ("tenant", "team", "user", "key", "conversation")
        scope = self.draw.choice(scopes)
        owners = {"team": TEAMS, "user": USERS, "key": KEYS, "conversation": ("talk",)}
        owner = self.tenant if scope == "tenant" else self.draw.choice(owners[scope])
        return Limit(scope, owner, self.draw.integer(0, 160))

    def _operation(self) -> Operation:
        match self.draw.integer(0, 9):
            case 0:
                return Pause(float(self.draw.choice((1, 20, 31))))
            case 1:
                return Sweep()
            case 2:
                return Renewal(tuple({n: self._progress(n) for n in self._calls(2)}.values()))
            case _:
                return self._batch()

    def _batch(self) -> Batch:
        told = {n: self._told(n) for n in self._calls(3)}
        asked = {n: self._ask(n) for n in self._calls(3)}
        return Batch(tuple(told.values()), tuple(asked.values()))

    def _calls(self, most: int) -> list[int]:
        return [self.draw.integer(0, CALLS - 1) for _ in range(self.draw.integer(0, most))]

    def _ask(self, n: int) -> Ask:
        if n not in self._asks:
            least = self.draw.integer(1, 10)
            usual = least + self.draw.integer(0, 20)
            most = usual + self.draw.integer(0, 30)
            guess = self._guess(n, cost=self.draw.integer(1, most))
            self._asks[n] = Ask(
                op_key=guess.op_key,
                tenant_id=guess.tenant_id,
                team_id=guess.team_id,
                user_id=guess.user_id,
                key_id=guess.key_id,
                conversation_id=guess.conversation_id,
                least_pico=least,
                usual_pico=usual,
                most_pico=most,
                record=guess,
            )
        return self._asks[n]

    def _told(self, n: int) -> UsageRecord:
        """What it came to, or what a caller tells who cannot know whether anything was held."""
        if self.draw.integer(0, 5) == 0:
            return self._record(n, "cancelled", cost=0, discount=0)
        if n not in self._outcomes:
            statuses: tuple[Status, ...] = ("completed", "completed", "failed", "cancelled")
            cost = self.draw.choice((0, 1)) * self.draw.integer(1, 60)
            discount = self.draw.integer(0, 3) if cost else 0
            if n in self._asks and self.draw.integer(0, 3) == 0:
                cost, discount = self._asks[n].record.cost_pico, 0  # as guessed
            status = self.draw.choice(statuses)
            in_doubt = status == "failed" and cost and self.draw.integer(0, 1)
            counted = cost + self.draw.integer(1, 30) if in_doubt else None
            self._outcomes[n] = self._record(n, status, cost=cost, discount=discount, counted=counted)
        return self._outcomes[n]

    def _progress(self, n: int) -> UsageRecord:
        return self._guess(n, cost=self.draw.integer(1, 60))

    def _guess(self, n: int, *, cost: int) -> UsageRecord:
        counted = cost + self.draw.integer(1, 30) if self.draw.integer(0, 2) else None
        return self._record(n, "expired", cost=cost, discount=0, counted=counted)

    def _record(
        self, n: int, status: Status, *, cost: int, discount: int, counted: int | None = None
    ) -> UsageRecord:
        return UsageRecord(
            request_id=f"{self.prefix}{n}",
            attempt=0,
            tenant_id=self.tenant,
            team_id=TEAMS[n % 2] if n % 3 else None,
            user_id=USERS[n // 2 % 2],
            key_id=KEYS[n % 3],
            conversation_id=CONVERSATIONS[n // 4],
            model_id="gpt-5.4-mini",
            requested_model="gpt",
            provider=("openai", "anthropic")[n % 2],
            endpoint="/v1/chat/completions",
            stream=False,
            status=status,
            input_tokens=1,
            cache_read_tokens=0,
            cache_write_5m_tokens=0,
            cache_write_1h_tokens=0,
            output_tokens=1,
            reasoning_tokens=0,
            service_tier="",
            cost_pico=cost,
            counted_pico=counted,
            discount_pico=discount,
            saved_pico=0,
            price_snapshot="0123456789abcdef",
            estimated=status == "expired",
            response_time_ms=1,
            created_at=_AT,
        )


async def play(history: History, *ledgers: LedgerUnderTest) -> int:
    """Let the same happen to all of them, who have to agree after each operation; says how many there were.

    What lapses is decided by the first.
    """
    for number, operation in enumerate(history.operations):
        try:
            answers = await _happen(operation, ledgers)
            assert all(answer == answers[0] for answer in answers), answers
            first, *others = [await ledger.picture() for ledger in ledgers]
            for other in others:
                assert other == first, _difference(first, other)
            check(first, history.limits)
        except AssertionError as error:
            raise Disagreement(f"after operation {number} of\n{history}\n{error}") from None
    return len(history.operations)


async def _happen(operation: Operation, ledgers: Sequence[LedgerUnderTest]) -> list[object]:
    match operation:
        case Batch(records, asks):
            grants = [await ledger.apply(records, asks) for ledger in ledgers]
            return [{grant.op_key: grant.granted_pico for grant in each} for each in grants]
        case Renewal(records):
            for ledger in ledgers:
                await ledger.renew(records)
            return [None]
        case Pause(seconds):
            for ledger in ledgers:
                await ledger.pause(seconds)
            return [None]
        case Sweep():
            found = [sorted(await ledger.lapsed(), key=lambda r: r.op_key) for ledger in ledgers]
            for ledger in ledgers:
                await ledger.apply(found[0], [])
            return list(found)


def _difference(first: Picture, other: Picture) -> str:
    names = [name for name in fields(Picture) if getattr(first, name.name) != getattr(other, name.name)]
    return "; ".join(f"{n.name}: {getattr(first, n.name)} and {getattr(other, n.name)}" for n in names)


def _said(record: UsageRecord) -> str:
    counted = "" if record.counted_pico is None else f" counted {record.counted_pico}"
    return f"{record.op_key} {record.status} {record.cost_pico}-{record.discount_pico}{counted}"


def check(picture: Picture, limits: Sequence[Limit]) -> None:
    """What holds of every ledger at any time."""
    for (spent, held), limit in zip(picture.balances, limits, strict=True):
        assert spent >= 0
        assert held >= 0
        assert spent + held <= limit.pico, "overspent"
    for moves in picture.moves.values():
        kinds = [kind for kind, _ in moves]
        assert sum(kind in ("settle", "release", "expire") for kind in kinds) <= 1, "resolved twice"
    assert sum(picture.accounts.values()) == 0, "the trial balance is not zero"
    charged = sum(cost + discount for _, cost, discount in picture.usage.values())
    owed = -sum(pico for account, pico in picture.accounts.items() if account.startswith("provider:"))
    assert charged == owed, "what calls cost is not what was posted"
