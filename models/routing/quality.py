"""How good each model is expected to be at each task before there are outcomes: `quality.toml`, checked."""

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.catalog import Model, Tier
from models.routing.task import TASKS, Task

Score = Annotated[float, Field(gt=0, lt=1)]
Scores = dict[Task, Score]

USUAL_DIFFICULTY = 0.5
"""At which beliefs are stated, and outcomes taken to be."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Weight(_Part):
    measured: float
    line: float
    tier: float


class _Scale(_Part):
    ease: float


class _Tier(_Part):
    scores: Scores


class _Measured(_Part):
    name: str
    source: str = Field(min_length=1)
    scores: Scores


class _Row(_Part):
    id: str
    stands_for: str
    kind: Literal["measured", "line"]


class Speed(_Part):
    first_token_ms: float
    tokens_per_s: float


class _File(_Part):
    weight: _Weight
    scale: _Scale
    derived: dict[Task, str]
    output_tokens: dict[Task, int]
    latency: dict[Tier, Speed]
    tiers: dict[Tier, _Tier]
    measured: list[_Measured]
    models: list[_Row]


class Prior(BaseModel):
    """What is believed of a model, at the usual difficulty."""

    model_config = ConfigDict(frozen=True)

    means: tuple[float, ...]
    """For each of `TASKS`: the probability that an answer is good."""
    weight: float
    """Of so many outcomes."""
    source: str


class QualityPriors:
    """`load` reads the bundled file. Raises ValueError for one that does not hold together."""

    def __init__(self, text: str) -> None:
        file = _File.model_validate(tomllib.loads(text))
        for scores in (*(tier.scores for tier in file.tiers.values()), *(m.scores for m in file.measured)):
            if len(scores) != len(TASKS):
                raise ValueError("a row of scores lacks a task")
        self._ease = file.scale.ease
        self.output_tokens: Mapping[Task, int] = file.output_tokens
        self.latency: Mapping[Tier, Speed] = file.latency
        measured = {row.name: row for row in file.measured}
        self._tiers = {
            tier: Prior(
                means=self._usual(row.scores), weight=file.weight.tier, source=f"mean of {tier} models"
            )
            for tier, row in file.tiers.items()
        }
        self._models = {
            row.id: Prior(
                means=self._usual(measured[row.stands_for].scores),
                weight=getattr(file.weight, row.kind),
                source=_source(row, measured[row.stands_for]),
            )
            for row in file.models
        }

    @classmethod
    def load(cls) -> "QualityPriors":
        return _bundled()

    def prior(self, model: Model) -> Prior:
        return self._models.get(model.id) or self._tiers[model.tier]

    def at(self, quality: float, difficulty: float) -> float:
        """The quality at a difficulty of what has `quality` at the usual one."""
        return shifted(quality, self._ease * (USUAL_DIFFICULTY - difficulty))

    def _usual(self, scores: Mapping[Task, float]) -> tuple[float, ...]:
        eased = self._ease * (1.0 - USUAL_DIFFICULTY)
        return tuple(shifted(scores[task], eased) for task in TASKS)


def shifted(probability: float, log_odds: float) -> float:
    odds = probability / max(1e-9, 1.0 - probability) * math.exp(log_odds)
    return odds / (1.0 + odds)


def _source(row: _Row, measured: _Measured) -> str:
    if row.kind == "measured":
        return f"{measured.name}: {measured.source}"
    return f"as {measured.name} of the same line: {measured.source}"


@cache
def _bundled() -> QualityPriors:
    return QualityPriors(files(__package__).joinpath("quality.toml").read_text("utf-8"))
