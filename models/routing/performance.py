"""How models do just now: first tokens, speed, failures, in slices of time that add up across replicas."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from models.routing.expectation import Performance

SLICE_S = 30
SLICES = 40
HALF_LIFE_S = 300.0
MAX_MODELS = 500
TOLD_S = 1.0
"""Sums over all slices are not made for each decision."""
PRIOR_CALLS = 3.0
"""Calls that a model is taken to have answered before any are known."""
_STEPS = 4
"""Of the histogram's classes, for each doubling of the time."""

Ending = Literal["ok", "failed", "busy"]
"""Busy: turned away for now (429, 503)."""
State = Literal["available", "degraded", "unavailable"]
Tally = Counter[str]
"""Of a model in a slice: endings, `tokens`, `ms`, `first_ms`, `firsts`, and `t<class>` of first tokens."""
Slices = Mapping[int, Mapping[str, Tally]]


class Sample(Struct, frozen=True, kw_only=True):
    """One attempt at a provider."""

    model_id: str
    ending: Ending
    response_ms: float = 0.0
    first_token_ms: float | None = None
    output_tokens: int = 0
    retry_after_s: float = 0.0


class ModelStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """What `check_model_availability` says."""

    model_id: str
    state: State
    availability: float
    error_rate: float
    busy_rate: float
    calls: float
    """That are remembered, by how recent they are."""
    blocked_for_s: float = 0.0
    """The provider asked to be left alone for so long."""
    headroom: float = 1.0
    """Share of calls that are not turned away."""


class Measured(Struct, frozen=True, kw_only=True):
    model_id: str
    first_token_ms: float
    first_token_p95_ms: float
    tokens_per_s: float
    response_ms: float
    availability: float
    error_rate: float
    busy_rate: float
    calls: float


class LivePerformance:
    """`clock` is wall time: replicas have to agree on the slices."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._own: dict[int, dict[str, Tally]] = {}
        self._unsent: dict[int, dict[str, Tally]] = {}
        self._shared: Slices | None = None
        self._restored: dict[str, Performance] = {}
        self._blocked: dict[str, float] = {}
        self._told: tuple[float, dict[str, Performance]] = (float("-inf"), {})

    def record(self, sample: Sample) -> None:
        now = self._clock()
        at = int(now) // SLICE_S
        for slices in (self._own, self._unsent):
            of_models = slices.setdefault(at, {})
            if sample.model_id in of_models or len(of_models) < MAX_MODELS:
                _count(of_models.setdefault(sample.model_id, Counter()), sample)
            for old in [slice_ for slice_ in slices if slice_ <= at - SLICES]:
                del slices[old]
        if sample.retry_after_s > 0:
            self._blocked[sample.model_id] = now + min(sample.retry_after_s, 600.0)

    def take_unsent(self) -> Slices:
        """What others have not been told; it is told once."""
        unsent, self._unsent = self._unsent, {}
        return unsent

    def give_back(self, unsent: Slices) -> None:
        """What could not be told after all."""
        for at, of_models in unsent.items():
            mine = self._unsent.setdefault(at, {})
            for model_id, tally in of_models.items():
                mine.setdefault(model_id, Counter()).update(tally)

    def share(self, slices: Slices | None) -> None:
        """What all replicas have counted together, this one's own included; None where it cannot be had."""
        self._shared = slices

    def restore(self, known: Mapping[str, Performance]) -> None:
        """What was known before a restart, for models without calls since."""
        self._restored = dict(known)

    def measured(self) -> dict[str, Measured]:
        now = self._clock()
        total: dict[str, Tally] = {}
        sources = (self._own,) if self._shared is None else (self._shared, self._unsent)
        for slices in sources:
            for at, of_models in slices.items():
                kept = 0.5 ** (max(0.0, now - (at + 0.5) * SLICE_S) / HALF_LIFE_S)
                for model_id, tally in of_models.items():
                    sums = total.setdefault(model_id, Counter())
                    for name, count in tally.items():
                        sums[name] += count * kept
        return {model_id: _measured(model_id, tally) for model_id, tally in total.items()}

    def performance(self) -> dict[str, Performance]:
        """For the policy, at most `TOLD_S` old; a model that asked to be left alone is not available."""
        now = self._clock()
        if not 0 <= now - self._told[0] < TOLD_S:
            self._told = now, self._performance(now)
        return self._told[1]

    def _performance(self, now: float) -> dict[str, Performance]:
        found = dict(self._restored)
        for model_id, one in self.measured().items():
            before = found.get(model_id)
            found[model_id] = Performance(
                first_token_ms=one.first_token_ms or (before.first_token_ms if before else 1_000.0),
                tokens_per_s=one.tokens_per_s or (before.tokens_per_s if before else 60.0),
                availability=0.0 if self._blocked.get(model_id, 0.0) > now else one.availability,
                calls=one.calls,
            )
        return found

    def check_model_availability(
        self, model_id: str, measured: Mapping[str, Measured] | None = None
    ) -> ModelStatus:
        """`measured` is what `measured()` says, for who asks about many models at once."""
        told = self.measured() if measured is None else measured
        one = told.get(model_id) or _measured(model_id, Counter())
        blocked = max(0.0, self._blocked.get(model_id, 0.0) - self._clock())
        state: State = "available"
        if blocked or (one.availability < 0.5 and one.calls >= 3):
            state = "unavailable"
        elif one.availability < 0.9 or one.busy_rate > 0.2:
            state = "degraded"
        return ModelStatus(
            model_id=model_id,
            state=state,
            availability=one.availability,
            error_rate=one.error_rate,
            busy_rate=one.busy_rate,
            calls=one.calls,
            blocked_for_s=blocked,
            headroom=0.0 if blocked else 1.0 - one.busy_rate,
        )


def _count(tally: Tally, sample: Sample) -> None:
    tally[sample.ending] += 1
    if sample.ending != "ok":
        return
    tally["response_ms"] += round(sample.response_ms)
    first = sample.first_token_ms
    if first is not None:
        tally["first_ms"] += round(first)
        tally["firsts"] += 1
        tally[f"t{_class_of(first)}"] += 1
        if sample.output_tokens > 1 and sample.response_ms > first:
            tally["tokens"] += sample.output_tokens
            tally["ms"] += round(sample.response_ms - first)


def _measured(model_id: str, tally: Mapping[str, float]) -> Measured:
    ok, failed, busy = (tally.get(ending, 0.0) for ending in ("ok", "failed", "busy"))
    calls = ok + failed + busy
    firsts, ms = tally.get("firsts", 0.0), tally.get("ms", 0.0)
    return Measured(
        model_id=model_id,
        first_token_ms=_quantile(tally, 0.5),
        first_token_p95_ms=_quantile(tally, 0.95),
        tokens_per_s=1000 * tally.get("tokens", 0.0) / ms if ms else 0.0,
        response_ms=tally.get("response_ms", 0.0) / ok
        if ok
        else tally.get("first_ms", 0.0) / max(1.0, firsts),
        availability=(ok + PRIOR_CALLS) / (calls + PRIOR_CALLS),
        error_rate=failed / calls if calls else 0.0,
        busy_rate=busy / calls if calls else 0.0,
        calls=calls,
    )


def _class_of(first_token_ms: float) -> int:
    return max(0, min(99, math.floor(_STEPS * math.log2(max(1.0, first_token_ms)))))


def _quantile(tally: Mapping[str, float], share: float) -> float:
    """The middle of the class that it falls into; 0 where there is none."""
    classes: Iterable[tuple[int, float]] = sorted(
        (int(name[1:]), count) for name, count in tally.items() if name[0] == "t" and name[1:].isdigit()
    )
    pending = deque(classes)
    left = share * sum(count for _, count in pending)
    while pending:
        of_class, count = pending.popleft()
        left -= count
        if left <= 1e-9:
            return float(2 ** ((of_class + 0.5) / _STEPS))
    return 0.0
