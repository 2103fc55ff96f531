"""Group commit: what comes while a transaction runs makes up the next one."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from models.errors import Internal, Overloaded, PolyvoxError
from models.ledger.holds import Ask, Grant
from models.ledger.store import LEASE_S, LedgerStore
from models.ledger.usage import UsageRecord

log = logging.getLogger(__name__)

MAX_BATCH = 256
MAX_WAITING = 50_000
AWAY_S = 0.25
PATIENCE_S = 5.0
"""How long the store may be away before a reservation is refused at once: a restart takes less."""

MAX_PARKED = 10_000
RETRIED_AT_ONCE = 64
"""Parked reservations that are tried again with a batch: what has become free is enough for a few."""
LOOK_AGAIN_S = 0.2
"""Another writer may have freed what is waited for."""


@dataclass(eq=False)
class _Operation:
    what: UsageRecord | Ask
    done: asyncio.Future[Grant | None]
    until: float
    """In the loop's time: a reservation is refused then if the store is away, or its budget held."""
    tried: bool = False
    """Whether the store may have done it."""
    parked: Grant | None = field(default=None)
    """Why it could not be granted so far."""

    @property
    def op_key(self) -> str:
        return self.what.op_key

    def end(self, result: Grant | None) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: PolyvoxError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class LedgerBatcher:
    """One transaction at a time; nobody waits for a timer, except for money that others hold."""

    def __init__(self, store: LedgerStore, *, on_refused: Callable[[str], None] = lambda _: None) -> None:
        """`on_refused` is told which budget has turned a call down for good."""
        self._store = store
        self._on_refused = on_refused
        self._waiting: deque[_Operation] = deque()
        self._parked: deque[_Operation] = deque()
        self._told: dict[str, asyncio.Future[Grant | None]] = {}
        """Outcomes that are on their way, by their `op_key`: while the store is away they are told again."""
        self._writer: asyncio.Task[None] | None = None
        self._look_again: asyncio.TimerHandle | None = None
        self._away_since: float | None = None
        self._reached_since: float | None = None

    async def reserve(self, ask: Ask) -> int:
        """The pico-USD that are held. Raises BudgetExceeded, BudgetHeld; Overloaded if nobody can tell now.

        Whoever is cancelled while waiting may hold it all the same, and is to settle it: from here nobody can
        tell whether another replica has granted it meanwhile, and the call was made.
        """
        loop = asyncio.get_running_loop()
        if self._away_since is not None and loop.time() - self._away_since > PATIENCE_S:
            self._start()
            raise Overloaded("the ledger cannot be reached", sent=False, retry_after_s=1.0)
        grant = await self._take(ask, until=loop.time() + max(PATIENCE_S, ask.wait_s))
        assert grant is not None
        if grant.granted_pico is None:
            raise grant.refusal()
        return grant.granted_pico

    async def settle(self, record: UsageRecord) -> None:
        """Returns once it is durable, however long the store is away; whoever cannot wait stops waiting.

        Once taken it is written even if nobody waits for it any more. Raises what the store has against it.
        """
        told = self._told.get(record.op_key)
        if told is None:
            told = self._told[record.op_key] = self._take(record, until=float("inf"))
            told.add_done_callback(lambda done: self._forget(record.op_key, done))
        await asyncio.shield(told)  # whoever told it first may leave

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        await self._store.renew(records)

    async def sweep(self) -> int:
        """Charge what holders that are gone left open, once they can have been heard; returns how many."""
        now = asyncio.get_running_loop().time()
        if self._away_since is not None or self._reached_since is None:
            await self._probe()
        if self._reached_since is None or now - self._reached_since < LEASE_S:
            return 0  # holders could not renew while the store was away
        lapsed = await self._store.expired(limit=MAX_BATCH)
        await asyncio.gather(*(self.settle(record) for record in lapsed))
        return len(lapsed)

    async def flush(self) -> None:
        """Returns when everything taken so far is durable."""
        while self._writer is not None:
            await asyncio.wait({self._writer})

    def _take(self, what: UsageRecord | Ask, *, until: float) -> asyncio.Future[Grant | None]:
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded("the ledger's queue is full", sent=False)
        done: asyncio.Future[Grant | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Operation(what, done, until))
        self._start()
        return done

    def _forget(self, op_key: str, done: asyncio.Future[Grant | None]) -> None:
        del self._told[op_key]
        if not done.cancelled():
            done.exception()  # asked for here so that a failure that nobody waits for is not reported as lost

    def _start(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting or self._away_since is not None:
                batch = self._next_batch()
                if not (await self._commit(batch) if batch else await self._probe()):
                    self._waiting.extendleft(reversed(batch))
                    self._give_up_late()
                    await asyncio.sleep(AWAY_S)
        finally:
            self._writer = None

    def _next_batch(self) -> list[_Operation]:
        """The oldest that somebody still waits for, none of them twice."""
        batch: dict[str, _Operation] = {}
        twins: list[_Operation] = []
        while self._waiting and len(batch) < MAX_BATCH:
            one = self._waiting.popleft()
            if one.done.done() and isinstance(one.what, Ask):
                continue
            key = f"{type(one.what).__name__} {one.op_key}"
            if batch.setdefault(key, one) is not one:
                twins.append(one)
        self._waiting.extendleft(reversed(twins))
        return list(batch.values())

    async def _commit(self, batch: list[_Operation]) -> bool:
        """Whether the batch is dealt with: while the store is away it waits, whoever still waits for it."""
        began = asyncio.get_running_loop().time()
        outcome = await self._try(batch)
        if isinstance(outcome, Overloaded):
            for one in batch:
                one.tried = True
            self._lost(began)
            return False
        self._reached()
        if isinstance(outcome, Internal) and len(batch) > 1:
            return await self._each_alone(batch)
        for one in batch:
            if isinstance(outcome, PolyvoxError):
                one.fail(outcome)
            elif isinstance(one.what, Ask):
                self._answer(one, outcome[one.op_key])
            else:
                one.end(None)
        if self._parked and any(isinstance(one.what, UsageRecord) for one in batch):
            self._try_parked()
        return True

    async def _each_alone(self, batch: list[_Operation]) -> bool:
        """One that the store cannot take has spoilt the batch."""
        for at, one in enumerate(batch):
            if not await self._commit([one]):
                self._waiting.extendleft(reversed(batch[at + 1 :]))
                self._waiting.appendleft(one)
                batch.clear()
                return False
        return True

    async def _try(self, batch: list[_Operation]) -> dict[str, Grant] | PolyvoxError:
        records = [one.what for one in batch if isinstance(one.what, UsageRecord)]
        asks = [one.what for one in batch if isinstance(one.what, Ask)]
        try:
            grants = await self._store.apply(records, asks)
        except PolyvoxError as error:
            return error
        except Exception:  # whatever it is, those who wait must hear of it
            log.exception("a batch of %d operations failed", len(batch))
            return Internal("the ledger failed")
        return {grant.op_key: grant for grant in grants}

    def _answer(self, one: _Operation, grant: Grant) -> None:
        ask = cast(Ask, one.what)
        if grant.in_flight and ask.wait_s and len(self._parked) < MAX_PARKED:
            self._park(one, grant)
        else:
            if grant.blocked is not None and not grant.in_flight:
                self._on_refused(grant.blocked.budget_id)
            one.end(grant)

    def _park(self, one: _Operation, grant: Grant) -> None:
        loop = asyncio.get_running_loop()
        if one.parked is None:
            one.until = loop.time() + cast(Ask, one.what).wait_s
        one.parked = grant
        if loop.time() >= one.until:
            one.end(grant)
            return
        self._parked.append(one)
        if self._look_again is None:
            self._look_again = loop.call_later(LOOK_AGAIN_S, self._looked_again)

    def _looked_again(self) -> None:
        self._look_again = None
        self._try_parked()
        if self._parked:
            self._look_again = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._looked_again)

    def _try_parked(self) -> None:
        """The oldest first, and those whose time is up hear why."""
        now = asyncio.get_running_loop().time()
        _drop(self._parked, lambda one: one.done.done() or now >= one.until, then=_end_parked)
        for _ in range(min(RETRIED_AT_ONCE, len(self._parked))):
            self._waiting.append(self._parked.popleft())
        if self._waiting:
            self._start()

    def _give_up_late(self) -> None:
        now = asyncio.get_running_loop().time()
        _drop(self._waiting, lambda one: now >= one.until, then=_refuse)

    async def _probe(self) -> bool:
        began = asyncio.get_running_loop().time()
        try:
            await self._store.ping()
        except Overloaded:
            self._lost(began)
            return False
        self._reached()
        return True

    def _lost(self, since: float) -> None:
        self._reached_since = None
        if self._away_since is None:
            self._away_since = since

    def _reached(self) -> None:
        self._away_since = None
        if self._reached_since is None:
            self._reached_since = asyncio.get_running_loop().time()


def _drop(
    queue: deque[_Operation], when: Callable[[_Operation], bool], *, then: Callable[[_Operation], None]
) -> None:
    for _ in range(len(queue)):
        one = queue.popleft()
        if when(one):
            then(one)
        else:
            queue.append(one)


def _refuse(one: _Operation) -> None:
    one.fail(Overloaded("the ledger cannot be reached", sent=one.tried, retry_after_s=1.0))


def _end_parked(one: _Operation) -> None:
    one.end(one.parked)
