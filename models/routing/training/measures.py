"""How good a classifier's answers are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score  # type: ignore[import-untyped]

from models.routing.heads import Scores
from models.routing.task import TASKS
from models.routing.training.material import NONE
from models.routing.training.prompts import Prompt

_BINS = 15
COVERAGE = 0.7


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
