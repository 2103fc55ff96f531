"""What a model is expected to do with a request: how well, for how much, how soon. Pure arithmetic."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from models.catalog import Model, Rates
from models.routing.learner import Learned
from models.routing.quality import QualityPriors
from models.routing.task import TASKS, TaskPrediction

OWN_LENGTHS = 20.0
"""Outcomes that the assumed length of an answer counts for."""


class Performance(Struct, frozen=True, kw_only=True):
    """How a model does just now."""

    first_token_ms: float
    tokens_per_s: float
    availability: float = 1.0
    calls: float = 0.0


class Lengths(Protocol):
    def tokens(self, model_id: str, task: str, *, assumed: float) -> float:
        """Of an answer, thoughts included."""
        ...


class AssumedLengths:
    """Knows nothing."""

    def tokens(self, model_id: str, task: str, *, assumed: float) -> float:
        del model_id, task
        return assumed


class Beliefs:
    """Quality of each model for each task as priors and outcomes have it: computed once for a state."""

    def __init__(
        self, priors: QualityPriors, learned: Learned | None = None, *, lengths: Lengths | None = None
    ) -> None:
        self.priors = priors
        self._learned = learned or Learned()
        self._lengths = lengths or AssumedLengths()
        self._known: dict[str, tuple[Sequence[float], Sequence[float]]] = {}

    def anew(self) -> "Beliefs":
        """The same, with nothing computed yet: models may mean something else now."""
        return Beliefs(self.priors, self._learned, lengths=self._lengths)

    @property
    def version(self) -> int:
        return self._learned.version

    def quality(self, model: Model, task: TaskPrediction) -> tuple[float, float]:
        """The probability of a good answer, and how many outcomes stand behind it."""
        means, weights = self._of(model)
        shares = task.distribution()
        mean = sum(map(_times, shares, means))
        return self.priors.at(mean, task.difficulty), sum(map(_times, shares, weights))

    def source(self, model: Model) -> str:
        return self.priors.prior(model).source

    def output_tokens(self, model: Model, task: TaskPrediction, *, most: int) -> float:
        shares = task.distribution()
        expected = sum(
            share * self._lengths.tokens(model.id, name, assumed=self.priors.output_tokens[name])
            for share, name in zip(shares, TASKS, strict=True)
            if share > 0.01
        )
        return min(float(most), max(1.0, expected))

    def performance(self, model: Model, live: Mapping[str, Performance]) -> Performance:
        known = live.get(model.id)
        if known is not None:
            return known
        usual = self.priors.latency[model.tier]
        return Performance(first_token_ms=usual.first_token_ms, tokens_per_s=usual.tokens_per_s)

    def _of(self, model: Model) -> tuple[Sequence[float], Sequence[float]]:
        found = self._known.get(model.id)
        if found is None:
            prior = self.priors.prior(model)
            means = dict(zip(TASKS, prior.means, strict=True))
            known = self._learned.believed(model.id, means, prior_weight=prior.weight).values()
            found = [mean for mean, _ in known], [weight for _, weight in known]
            self._known[model.id] = found
        return found


def call_pico(rates: Rates, *, input_tokens: int, output_tokens: float, cached_tokens: int = 0) -> int:
    """What a call is expected to cost: whatever the provider's cache holds of the input costs less."""
    cached = min(cached_tokens, input_tokens)
    fresh = input_tokens - cached
    return rates.input * fresh + rates.cache_read * cached + round(rates.output * output_tokens)


def _times(one: float, other: float) -> float:
    return one * other
