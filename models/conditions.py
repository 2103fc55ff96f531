"""How models are just now, from all that is known: their breakers, their hosts' health, what is left of their
providers' limits, how fast they answer."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec.structs import asdict

from models.breaker import Passage, State
from models.breakers import Breakers
from models.catalog import Model
from models.errors import (
    PolyvoxError,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
)
from models.health import Health, HealthWatch
from models.limits.headroom import Headroom
from models.routing.performance import LivePerformance, Measured, ModelStatus

READ_EVERY_S = 5.0
"""Sums over all that was measured are not made for each request."""
SLOW_TIMES = 3.0
"""So many times the usual worst is slow."""
LEAST_SLOW_S = 1.5
UNKNOWN_SLOW_S = 30.0
KNOWN_CALLS = 5.0
"""A model with fewer is not known."""


class ModelCondition(ModelStatus, frozen=True, kw_only=True, rename="camel"):
    """What `check_model_availability` says: how calls went, and whether one would be made now."""

    breaker: State = "closed"
    health: Health = "unknown"
    """Of its host, as the last cheap question or call told."""


class Conditions:
    """Belongs to one event loop."""

    def __init__(
        self,
        performance: LivePerformance | None = None,
        *,
        breakers: Breakers | None = None,
        health: HealthWatch | None = None,
        headroom: Headroom | None = None,
        model: Callable[[str], Model | None] = lambda _id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`model` finds what a model's id means."""
        self.performance = performance or LivePerformance()
        self.breakers = breakers or Breakers()
        self._health = health
        self._headroom = headroom
        self._model = model
        self._clock = clock
        self._read: tuple[float, Mapping[str, Measured]] = (float("-inf"), {})

    # What a lineup asks

    def wait_s(self, model: Model, *, last: bool = False) -> float:
        """How long a call had better wait; 0 where one may be made now. `last`: there is nobody else."""
        breaker = self.breakers.known(model.id)
        return 0.0 if breaker is None else breaker.wait_s(last=last)

    def is_doubtful(self, model: Model) -> bool:
        """Whether others are to be asked before it: by hearsay, or because a limit is near."""
        breaker = self.breakers.known(model.id)
        if breaker is not None and breaker.hinted_s > 0:
            return True
        if self._health is not None and self._health.of(model.host) == "unavailable":
            return True
        return self._headroom is not None and self._headroom.wait_s(model.host, model.wire_name) > 0

    def usual_s(self, model: Model, *, stream: bool) -> float:
        """The median time to its first content, or that to a whole answer; 0 where it is not known."""
        known = self._known(model)
        if known is None:
            return 0.0
        return (known.first_token_ms if stream else known.response_ms) / 1000

    # Around a call

    def enter(self, model: Model, *, stream: bool) -> Passage:
        return self.breakers.of(model.id).enter(slow_after_s=self._slow_after_s(model, stream=stream))

    def ended(self, model: Model, passage: Passage, error: PolyvoxError | None = None) -> None:
        """How a call went; `passage.leaves()` where nobody can tell."""
        if error is None or answers(error):
            passage.succeeds()
            if self._health is not None:
                self._health.answered(model.host)
        elif isinstance(error, ProviderError):
            busy = isinstance(error, ProviderRateLimited | ProviderOverloaded)
            passage.fails(told_s=error.retry_after_s if busy else None)
        else:
            passage.leaves()

    def hedge_after_s(self, model: Model) -> float | None:
        """Its own 95th percentile of the time to first content; None where it is not known."""
        known = self._known(model)
        return None if known is None else known.first_token_p95_ms / 1000 or None

    # What is shown

    def status(self, model_id: str) -> ModelCondition:
        return self._status(model_id, self.performance.measured())

    def statuses(self, model_ids: Iterable[str]) -> list[ModelCondition]:
        measured = self.performance.measured()
        return [self._status(model_id, measured) for model_id in model_ids]

    def _status(self, model_id: str, measured: Mapping[str, Measured]) -> ModelCondition:
        said = self.performance.check_model_availability(model_id, measured)
        breaker, model = self.breakers.known(model_id), self._model(model_id)
        state: State = "closed" if breaker is None else breaker.state
        health: Health = "unknown"
        headroom, blocked_s = said.headroom, said.blocked_for_s
        if model is not None:
            health = "unknown" if self._health is None else self._health.of(model.host)
            if self._headroom is not None:
                headroom = min(headroom, self._headroom.share(model.host, model.wire_name))
        if breaker is not None:
            blocked_s = max(blocked_s, breaker.open_s)
        fields = asdict(said) | {
            "state": _worst(said.state, state, health),
            "headroom": headroom,
            "blocked_for_s": round(blocked_s, 3),
        }
        return ModelCondition(**fields, breaker=state, health=health)

    def _slow_after_s(self, model: Model, *, stream: bool) -> float:
        known = self._known(model)
        if known is None:
            return UNKNOWN_SLOW_S
        usual_ms = known.first_token_p95_ms if stream else 2 * known.response_ms
        return max(LEAST_SLOW_S, SLOW_TIMES * usual_ms / 1000) if usual_ms else UNKNOWN_SLOW_S

    def _known(self, model: Model) -> Measured | None:
        now = self._clock()
        if now >= self._read[0] + READ_EVERY_S:
            self._read = now, self.performance.measured()
        known = self._read[1].get(model.id)
        return known if known is not None and known.calls >= KNOWN_CALLS else None


def answers(error: PolyvoxError) -> bool:
    """Whether it is a provider's answer that says nothing against the provider: the request is at fault."""
    if isinstance(error, ProviderRefused):
        return True
    return error.status is not None and not isinstance(error, ProviderError)


def _worst(
    said: Literal["available", "degraded", "unavailable"], breaker: State, health: Health
) -> Literal["available", "degraded", "unavailable"]:
    if "unavailable" in (said, health) or breaker == "open":
        return "unavailable"
    return "degraded" if said == "degraded" or health == "degraded" or breaker == "half_open" else "available"
