"""How good a classifier's answers are."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.metrics import f1_score  # type: ignore[import-untyped]

from models.routing.heads import Scores
from models.routing.task import TASKS
from models.routing.training.crossing import Crossed, calibrated_across, sharpness
from models.routing.training.material import NONE, Material
from models.routing.training.prompts import Prompt

_BINS = 15
COVERAGE = 0.7
_WANTED_WHERE_SURE = 0.93
"""Of what the first stage answers alone, the share that has to be right on sources it never saw."""
_FALSE_NONE = 0.03
_FALSE_GUESS = 0.01
"""Of requests, the shares that are taken for none and that are called a guess."""


class Limits(Struct, frozen=True):
    sure_at: float
    abstain_below: float
    none_above: float


class Measures(Struct, frozen=True):
    sharpness: Sequence[NDArray[np.float32]]
    """Of the first stage's scores, and of both."""
    limits: Limits
    figures: dict[str, float]


def measures_of(held_out: Crossed, known: Material) -> Measures:
    """How sources fared that were held out: calibrated by the other ones."""
    rows = np.flatnonzero(held_out.rows)
    labels, families, readable = known.labels[rows], known.families[rows], known.readable[rows]
    prompts = [known.prompts[row] for row in rows.tolist()]
    first = calibrated_across(held_out.first, labels, families)
    second = calibrated_across(held_out.second[readable], labels[readable], families[readable])
    both = first.copy()
    both[readable] = second
    limits = _limits(first, both, prompts)
    figures = baselines(prompts) | measured(first, prompts, "first") | measured(both, prompts, "second")
    figures |= _cascade(first, both, prompts, limits)
    return Measures(
        (
            sharpness(held_out.first, labels),
            sharpness(held_out.second[readable], labels[readable]),
        ),
        limits,
        figures,
    )


def _limits(first: Scores, second: Scores, prompts: Sequence[Prompt]) -> Limits:
    asked = np.asarray([prompt.task is not None for prompt in prompts])
    labels = np.asarray([NONE if p.task is None else TASKS.index(p.task) for p in prompts])
    confidence = np.exp(first.max(axis=1))
    order = np.argsort(-confidence)
    share_right = np.cumsum((first.argmax(axis=1) == labels)[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share_right >= _WANTED_WHERE_SURE)
    sure_at = float(confidence[order[good[-1]]]) if len(good) else 1.0
    requests = np.exp(second[asked])
    top = requests[:, :NONE].max(axis=1) / requests[:, :NONE].sum(axis=1)
    return Limits(
        sure_at=round(sure_at, 4),
        abstain_below=round(float(np.quantile(top, _FALSE_GUESS)), 4),
        none_above=round(float(np.quantile(requests[:, NONE], 1 - _FALSE_NONE)), 4),
    )


def _cascade(first: Scores, second: Scores, prompts: Sequence[Prompt], limits: Limits) -> dict[str, float]:
    sure = np.exp(first.max(axis=1)) >= limits.sure_at
    scores = np.where(sure[:, None], first, second)
    every = np.exp(scores)
    top = every[:, :NONE].max(axis=1) / every[:, :NONE].sum(axis=1)
    abstained = (top < limits.abstain_below) | (every[:, NONE] >= limits.none_above)
    asked = np.asarray([prompt.task is not None for prompt in prompts])
    return measured(scores, prompts, "cascade") | {
        "cascade_answered_by_first": round(float(sure[asked].mean()), 4),
        "none_recall": round(float(abstained[~asked].mean()), 4) if (~asked).any() else 0.0,
        "none_false": round(float(abstained[asked].mean()), 4),
    }


def measured(scores: Scores, prompts: Sequence[Prompt], name: str) -> dict[str, float]:
    """Of prompts that are requests, by figure."""
    asked = [row for row, prompt in enumerate(prompts) if prompt.task is not None]
    tasks = np.asarray([TASKS.index(prompt.task) for row in asked if (prompt := prompts[row]).task])
    every = np.exp(scores[asked][:, :NONE].astype(np.float64))
    probabilities = every / every.sum(axis=1, keepdims=True)
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = answers == tasks
    accepted = np.asarray(
        [r or TASKS[a] in prompts[row].alt for r, a, row in zip(right, answers, asked, strict=True)]
    )
    foreign = np.asarray([prompts[row].lang != "en" for row in asked])
    by_task = f1_score(tasks, answers, average=None, labels=range(NONE), zero_division=0.0)
    surest = np.argsort(-confidence)[: int(COVERAGE * len(asked))]
    figures = {
        "accuracy": right.mean(),
        "macro_f1": by_task.mean(),
        "accuracy_with_alt": accepted.mean(),
        "worst_f1": by_task.min(),
        "not_english": accepted[foreign].mean() if foreign.any() else 0.0,
        "ece": expected_calibration_error(confidence, accepted),
        "at_70_percent_coverage": accepted[surest].mean(),
    } | {f"f1_{task}": figure for task, figure in zip(TASKS, by_task, strict=True)}
    return {f"{name}_{figure}": round(float(value), 4) for figure, value in figures.items()}


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    error = 0.0
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    for one in np.unique(bins):
        inside = bins == one
        error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(error)


def baselines(prompts: Sequence[Prompt]) -> dict[str, float]:
    """What it takes no model to reach: always the commonest task, and any task at random."""
    tasks = [prompt.task for prompt in prompts if prompt.task is not None]
    commonest = max(tasks.count(task) for task in TASKS) / len(tasks)
    return {"majority_accuracy": round(commonest, 4), "random_accuracy": round(1 / len(TASKS), 4)}
