"""Replicas that share limits, with a clock that stands still unless it is moved."""

from collections.abc import Sequence

from models.limits import Admission, Claim, InMemoryCounters, Limit, LimitBook, RateLimited, Who
from models.limits.book import InMemoryLimits
from models.limits.counters import InMemoryReplica
from models.limits.limit import Measure, Scope

ANN = Who("acme", "search", "ann", "ann-1")


def limit(
    amount: int,
    measure: Measure = "requests",
    *,
    burst: int | None = None,
    scope: Scope = "tenant",
    owner: str | None = "acme",
    tenant_id: str | None = "acme",
    model: str | None = None,
    provider: str | None = None,
    id: str = "",
) -> Limit:
    return Limit(
        id=id or f"{scope}-{owner}-{model or provider}-{measure}",
        tenant_id=tenant_id,
        scope=scope,
        owner=owner,
        model=model,
        provider=provider,
        measure=measure,
        amount=amount,
        burst=burst or amount,
    )


class Installation:
    def __init__(self, limits: Sequence[Limit], *, replicas: int = 1) -> None:
        self.now = 1_000.0
        self.counters = InMemoryCounters(clock_us=lambda: self.now * 1e6)
        self.views = [self.counters.of(str(n)) for n in range(replicas)]
        self.store = InMemoryLimits(limits)
        self.books = [LimitBook(self.store) for _ in range(replicas)]
        for book in self.books:
            book.use(limits)
        self.replicas = [self._admission(b, v) for b, v in zip(self.books, self.views, strict=True)]

    def _admission(self, book: LimitBook, view: InMemoryReplica) -> Admission:
        return Admission(book, view, clock=lambda: self.now)

    async def admits(self, claim: Claim, *, at: int = 0) -> bool:
        try:
            await self.replicas[at].admit(claim)
        except RateLimited:
            return False
        return True


def door(who: Who = ANN) -> Claim:
    return Claim(who=who)


def call(
    model: str = "gpt",
    provider: str = "openai",
    *,
    input: int = 0,
    output: int = 0,
    pico: int = 0,
    who: Who = ANN,
) -> Claim:
    return Claim(
        who=who, model=model, provider=provider, input_tokens=input, output_tokens=output, spend_pico=pico
    )
