"""Lets requests in as long as every limit that counts for them has room, almost always without I/O.

What is asked of the shared counters while an exchange with them is under way travels in the next one: there
is one at a time, whoever waits.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from models.errors import InvalidRequest
from models.limits.admitted import NOTHING, Admitted, Spent
from models.limits.book import LimitBook
from models.limits.counters import Counters
from models.limits.holdings import Holding, Places, holding
from models.limits.limit import Claim, Limit, Who, tightest
from models.limits.refusal import RateLimited

WAIT_S = 0.25
"""While others take all of every grant before it can; then it is refused."""
SETTLE_S = 0.015
"""A place that another replica has just given back may take so long to be seen."""
MAX_HOLDINGS = 20_000
MAX_CALLERS = 10_000
_MAX_ASKS = 256
_LEAST_RETRY_S = 0.05


class _Need(NamedTuple):
    holding: Holding
    amount: int


class _Wanted:
    """What requests wait for of one holding."""

    __slots__ = ("least", "waiting")

    def __init__(self) -> None:
        self.least = 0
        self.waiting = 0

    def add(self, amount: int) -> None:
        if amount:
            self.least = amount if not self.waiting else min(self.least, amount)
            self.waiting += amount


class Admission:
    """Belongs to one event loop. `counters` raise nothing: see `SteadyCounters`."""

    def __init__(
        self, book: LimitBook, counters: Counters, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._book = book
        self._counters = counters
        self._clock = clock
        self._holdings: dict[str, Holding] = {}
        self._known: dict[tuple[Who, str, str], tuple[Holding, ...]] = {}
        self._touched: set[Holding] = set()
        self._wanted: dict[Holding, _Wanted] = {}
        self._next: asyncio.Future[None] | None = None
        self._exchanging: asyncio.Task[None] | None = None
        book.changed = self._known.clear

    async def admit(self, claim: Claim) -> Admitted:
        """Raises RateLimited; InvalidRequest where no wait would help."""
        holdings = self._counting(claim)
        if not holdings:
            return NOTHING
        needs = _needs(holdings, claim)
        now = self._clock()
        for held, amount in needs:
            if not held.fits(amount, now):
                await self._wait(needs, now + WAIT_S)
                now = self._clock()
                break
        return self._spend(needs, now)

    async def run_once(self) -> None:
        """The job: gives back what was not used, tells of what was used beyond, keeps places alive."""
        now = self._clock()
        for held in [h for h in self._touched if h.is_due(now)]:
            self._join(held, 0)
        self._touched = {h for h in self._touched if not h.is_idle(now)}
        if len(self._holdings) > MAX_HOLDINGS:
            self._holdings = {h.key: h for h in self._touched}
            self._known.clear()
        if self._exchanging is not None:
            await asyncio.shield(self._exchanging)

    def _counting(self, claim: Claim) -> tuple[Holding, ...]:
        asked = (claim.who, claim.model, claim.provider)
        known = self._known.get(asked)
        if known is None:
            if len(self._known) >= MAX_CALLERS:
                self._known.clear()
            known = self._known[asked] = self._find(claim)
        return known

    def _find(self, claim: Claim) -> tuple[Holding, ...]:
        found = []
        for limit, key in self._book.counting(claim.who, model=claim.model, provider=claim.provider):
            is_early = limit.measure in ("requests", "concurrent") and not (limit.model or limit.provider)
            if is_early == bool(claim.model):
                continue  # it counts at the door, or not before a model is called
            found.append(self._holding(limit, key))
        return tuple(found)

    def _holding(self, limit: Limit, key: str) -> Holding:
        """A lease of a limit that has changed is left as it is; places are occupied all the same."""
        held = self._holdings.get(key)
        if held is None or (held.limit != limit and not isinstance(held, Places)):
            held = self._holdings[key] = holding(limit, key)
        held.limit = limit
        return held

    def _spend(self, needs: Sequence[_Need], now: float) -> Admitted:
        spent = []
        for held, amount in needs:
            spent.append(Spent(held, amount, held.spend(amount, now)))
            if held.is_pressing(now):
                self._join(held, 0)
        self._touched.update(held for held, _ in needs)
        return Admitted(spent, clock=self._clock, press=self._press)

    def _press(self, held: Holding, now: float) -> None:
        self._touched.add(held)
        if held.is_pressing(now):
            self._join(held, 0)

    async def _wait(self, needs: Sequence[_Need], until: float) -> None:
        """Returns when everything fits: then it has to be spent at once."""
        patience = 1
        while True:
            now = self._clock()
            short = [need for need in needs if not need.holding.fits(need.amount, now)]
            if not short:
                return
            refused = [(need, s) for need in short if (s := need.holding.refused_s(need.amount, now))]
            if refused and patience and all(n.holding.limit.measure == "concurrent" for n, _ in refused):
                patience = 0
                await asyncio.sleep(SETTLE_S)
            elif refused or now >= until:
                self._refuse(needs, refused or [(need, _LEAST_RETRY_S) for need in short], now)
            joined = [self._join(need.holding, need.amount) for need in short]
            # Shielded: whoever leaves, the others wait on, and what is granted is kept.
            await asyncio.shield(joined[-1])

    def _refuse(self, needs: Sequence[_Need], refused: Sequence[tuple[_Need, float]], now: float) -> None:
        worst, retry_s = max(refused, key=lambda pair: pair[1])
        error = RateLimited(
            f"{worst.holding.limit.said()} is reached", retry_after_s=round(retry_s, 3), sent=False
        )
        error.rates = tightest(need.holding.rate(now) for need in needs)
        raise error

    def _join(self, held: Holding, amount: int) -> asyncio.Future[None]:
        """Done when the next exchange is. `amount` 0: nobody waits for it."""
        loop = asyncio.get_running_loop()
        self._wanted.setdefault(held, _Wanted()).add(amount)
        if self._next is None:
            self._next = loop.create_future()
        if self._exchanging is None:
            self._exchanging = loop.create_task(self._exchange())
        return self._next

    async def _exchange(self) -> None:
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, {}
                done, self._next = self._next, None
                try:
                    asked = list(wanted.items())
                    for start in range(0, len(asked), _MAX_ASKS):
                        await self._ask(asked[start : start + _MAX_ASKS])
                finally:
                    if done is not None and not done.done():
                        done.set_result(None)
        finally:
            self._exchanging = None

    async def _ask(self, asked: Sequence[tuple[Holding, _Wanted]]) -> None:
        now = self._clock()
        grants = await self._counters.exchange(
            [held.ask(wanted.least, wanted.waiting, now) for held, wanted in asked]
        )
        for (held, wanted), grant in zip(asked, grants, strict=True):
            held.granted(grant, wanted.least, now)


def _needs(holdings: Sequence[Holding], claim: Claim) -> list[_Need]:
    """Of what is only guessed no more than a whole burst is asked for: it may turn out to be less."""
    amounts = claim.amounts()
    needs = []
    for held in holdings:
        limit = held.limit
        amount = amounts[limit.measure]
        if amount > limit.burst:
            if limit.measure in ("tokens", "input_tokens") and claim.input_tokens > limit.burst:
                raise InvalidRequest(
                    f"about {claim.input_tokens} tokens are more than {limit.said()} lets in at once"
                )
            amount = limit.burst
        needs.append(_Need(held, amount))
    return needs
