"""Who is asked for a request, in which order, and who after one that failed. Pure but for its clock.

Before the first byte only. Candidates with open breakers are passed over; if all have, whoever may be asked
first is waited for, as long as that is not long. Nobody is asked again for what is wrong with a request.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from models.allowance import Allowance
from models.catalog import Model
from models.errors import (
    ContextLengthExceeded,
    DeadlineExceeded,
    Overloaded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
)

MAX_ATTEMPTS = 3
MAX_PER_MODEL = 2
BACKOFF_S = 0.025
MAX_BACKOFF_S = 0.25
PATIENCE_S = 2.0
"""All that a request waits, on purpose, until somebody may be asked."""

_POLICY = re.compile(
    r"(?i)content[ _-]?(?:policy|filter|management)|policy_violation|responsible.?ai|moderation_blocked"
    r"|invalid_prompt|usage polic|prohibited_content"
)
"""How providers say that a prompt is against their rules: another's may differ."""


RETRY_SHARE = 0.2
RETRIES_AT_FIRST = 10
LEAST_RETRIES = 3
"""Within ten seconds."""
MOST_RETRIES = 500


class Doors(Protocol):
    """What is known of models just now."""

    def wait_s(self, model: Model, *, last: bool = False) -> float: ...

    def is_doubtful(self, model: Model) -> bool: ...

    def usual_s(self, model: Model, *, stream: bool) -> float: ...


class Pause(NamedTuple):
    """Nobody is to be asked for so long; then it is asked again who is."""

    seconds: float


class Lineup:
    """The candidates for one request, the best first; `until` is its deadline, by `clock`.

    `retries` is what further attempts are paid from.
    """

    def __init__(
        self,
        candidates: Sequence[Model],
        doors: Doors,
        retries: Allowance,
        *,
        until: float,
        stream: bool,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.attempts = 0
        """That were begun."""
        self._queue = list(candidates)
        self._doors = doors
        self._retries = retries
        self._until = until
        self._stream = stream
        self._patience_s = patience_s
        self._clock = clock
        self._draw = draw
        self._asked: dict[str, int] = {}
        self._not_before = 0.0
        self._error: PolyvoxError | None = None

    @property
    def is_last(self) -> bool:
        """Whether nobody is left after the one that is asked now."""
        return not self._queue

    @property
    def left_s(self) -> float:
        """Of the request's time."""
        return self._until - self._clock()

    def next(self) -> Model | Pause:
        """Who is asked now. Raises what kept the others from answering if nobody is left, or may be asked in
        time."""
        left_s = self.left_s
        in_time = [m for m in self._queue if self._doors.usual_s(m, stream=self._stream) < left_s]
        if not in_time or left_s <= 0:
            raise self._error or DeadlineExceeded("the request's time is up", sent=False)
        if self._not_before > self._clock():
            return self._pause(self._not_before - self._clock())
        ready = [model for model in in_time if self._doors.wait_s(model) <= 0]
        if ready:
            sure = (model for model in ready if not self._doors.is_doubtful(model))
            return self._ask(next(sure, ready[0]))
        soonest = min(in_time, key=lambda model: self._doors.wait_s(model, last=True))
        wait_s = self._doors.wait_s(soonest, last=True)
        if wait_s <= 0:
            return self._ask(soonest)
        return self._pause(wait_s + self._draw() * min(wait_s, BACKOFF_S))

    def besides(self, model: Model) -> Model | None:
        """Who is asked too while `model` is: the next that is ready, or itself once more. Nobody may be."""
        if self.attempts >= MAX_ATTEMPTS:
            return None
        itself = [model] if self._asked[model.id] < MAX_PER_MODEL else []
        for other in [*self._queue, *itself]:
            if self._doors.wait_s(other) <= 0 and not self._doors.is_doubtful(other):
                return self._ask(other)
        return None

    def not_asked(self, model: Model) -> bool:
        """It was its turn, and there was no money for it, or no room. Whether others are left."""
        self.attempts -= 1
        self._asked[model.id] -= 1
        return bool(self._queue)

    def failed(self, model: Model, error: PolyvoxError, *, has_begun: bool = False) -> bool:
        """Whether somebody is asked after it. `has_begun`: it is asked for the rest of an answer."""
        self._error = error
        self._queue = self._after(model, error, has_begun) if self.attempts < MAX_ATTEMPTS else []
        return bool(self._queue) and self._retries.take()

    def _ask(self, model: Model) -> Model:
        if model in self._queue:
            self._queue.remove(model)
        self.attempts += 1
        self._asked[model.id] = self._asked.get(model.id, 0) + 1
        return model

    def _pause(self, wait_s: float) -> Pause:
        if wait_s > min(self._patience_s, self.left_s):
            error = self._error or Overloaded("no model can be asked just now", sent=False)
            error.retry_after_s = max(wait_s, error.retry_after_s or 0.0)
            raise error
        self._patience_s -= wait_s
        return Pause(wait_s)

    def _after(self, model: Model, error: PolyvoxError, has_begun: bool) -> list[Model]:
        queue = self._queue
        match error:
            case ReplicaLost():
                return [model, *queue] if self._asked[model.id] == 1 else queue
            case Overloaded():
                return queue  # our own back-pressure: whoever waits makes it worse
            case ContextLengthExceeded():
                return [other for other in queue if other.window > model.window]
            case ProviderRefused() if error.status == 404:
                return queue  # it does not have the model any more
            case ProviderRefused():
                return self._elsewhere(model) if is_against_policy(error) else []
            case ProviderAuthFailed():
                return self._elsewhere(model)
            case ProviderUnavailable() | ProviderTimeout():
                # That says more of the host than of the model.
                others = self._elsewhere(model)
                queue = others if not error.sent else others + [m for m in queue if m not in others]
            case _:
                queue = queue if error.retryable else []
        return queue or (self._once_more(model, error) if has_begun or is_repeatable(error) else [])

    def _elsewhere(self, model: Model) -> list[Model]:
        return [other for other in self._queue if other.host != model.host]

    def _once_more(self, model: Model, error: PolyvoxError) -> list[Model]:
        if not error.retryable or self._asked[model.id] >= MAX_PER_MODEL:
            return []
        backoff_s = self._draw() * min(MAX_BACKOFF_S, BACKOFF_S * 2 ** (self.attempts - 1))
        wait_s = max(backoff_s, error.retry_after_s or 0.0)
        if wait_s > min(self._patience_s, self.left_s):
            return []
        self._not_before = self._clock() + wait_s
        return [model]


def foremost(candidates: Sequence[Model], doors: Doors, most: int) -> list[Model]:
    """So many of them: those that may be asked now before those that may not."""
    return sorted(candidates, key=lambda model: doors.wait_s(model) > 0)[:most]


def retry_allowance(clock: Callable[[], float] = time.monotonic) -> Allowance:
    """A replica's: attempts are no more than a fifth above requests, but for a few."""
    return Allowance(
        RETRY_SHARE, at_first=RETRIES_AT_FIRST, least=LEAST_RETRIES, most=MOST_RETRIES, clock=clock
    )


def is_repeatable(error: PolyvoxError) -> bool:
    """Whether the same model may be asked again: it turned the call down for now, or never had it."""
    if not isinstance(error, ProviderError) or not error.retryable:
        return False
    return not error.sent or error.status == 429 or (error.status or 0) >= 500


def is_against_policy(error: PolyvoxError) -> bool:
    return error.status is not None and bool(_POLICY.search(f"{error.provider_code or ''} {error.message}"))
