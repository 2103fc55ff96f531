"""How good a classifier's answers are, in the shapes that tables and plots take."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.routing.evaluation import Estimate
from models.routing.promotion import Sums, mean_of, share_of
from models.routing.task import TASKS, TaskPrediction
from models.routing.training.measures import expected_calibration_error
from models.routing.training.prompts import Prompt

BINS = 10
COVERAGES = tuple(np.linspace(0.1, 1.0, 19).tolist())


class TaskLine(Struct, frozen=True, kw_only=True):
    task: str
    prompts: int
    precision: float
    recall: float
    f1: float
    confused_with: str
    """What it is taken for most often, where it is taken for something else."""


class Bin(Struct, frozen=True):
    """Answers of a like confidence."""

    confidence: float
    right: float
    number: int


class Report(Struct, frozen=True, kw_only=True):
    """Of prompts that are requests. An answer is right if it is the label, or one of its second answers."""

    accuracy: Estimate
    macro_f1: float
    calibration_error: float
    abstained: float
    by_task: tuple[TaskLine, ...]
    bins: tuple[Bin, ...]
    coverage: tuple[tuple[float, float], ...]
    """Shares of the surest answers, and the accuracy among them."""
    confusion: NDArray[np.int64]
    """(labels, answers), in the order of `TASKS`."""


def report(prompts: Sequence[Prompt], told: Sequence[TaskPrediction]) -> Report:
    """Raises ValueError if there is no request among the prompts."""
    pairs = [(p, t) for p, t in zip(prompts, told, strict=True) if p.task is not None]
    if not pairs:
        raise ValueError("there is no request among the prompts")
    is_right = right(prompts, told)
    confidence = np.array([t.confidence for _, t in pairs])
    confusion = np.zeros((len(TASKS), len(TASKS)), np.int64)
    for prompt, one in pairs:
        assert prompt.task is not None
        confusion[TASKS.index(prompt.task), TASKS.index(one.task)] += 1
    by_task = tuple(_task_line(confusion, at) for at in range(len(TASKS)) if confusion[at].sum())
    accuracy = share_of(int(is_right.sum()), len(is_right))
    assert accuracy is not None
    return Report(
        accuracy=accuracy,
        macro_f1=float(np.mean([line.f1 for line in by_task])),
        calibration_error=expected_calibration_error(confidence, is_right),
        abstained=float(np.mean([one.abstained for _, one in pairs])),
        by_task=by_task,
        bins=_bins(confidence, is_right),
        coverage=_coverage(confidence, is_right),
        confusion=confusion,
    )


def right(prompts: Sequence[Prompt], told: Sequence[TaskPrediction]) -> NDArray[np.bool_]:
    """Of the prompts that are requests."""
    return np.array(
        [t.task in (p.task, *p.alt) for p, t in zip(prompts, told, strict=True) if p.task is not None]
    )


def gain(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Estimate:
    """By how much the first is right more often than the second, on the same prompts."""
    pairs = one.astype(float) - other.astype(float)
    found = mean_of(Sums(len(pairs), float(pairs.sum()), float((pairs**2).sum())))
    if found is None:
        raise ValueError("two prompts are needed at least")
    return found


def at_random(prompts: Sequence[Prompt]) -> list[TaskPrediction]:
    """What it takes no model to say: every task in turn, as sure as chance is."""
    even = 1 / len(TASKS)
    return [
        TaskPrediction(task=TASKS[row % len(TASKS)], confidence=even, probabilities=(even,) * len(TASKS))
        for row in range(len(prompts))
    ]


def commonest(prompts: Sequence[Prompt], known: Sequence[Prompt]) -> list[TaskPrediction]:
    """Always the task that is commonest among those that are known."""
    counts = Counter(prompt.task for prompt in known if prompt.task is not None)
    shares = tuple(counts[task] / counts.total() for task in TASKS)
    best = int(np.argmax(shares))
    one = TaskPrediction(task=TASKS[best], confidence=shares[best], probabilities=shares)
    return [one] * len(prompts)


def _task_line(confusion: NDArray[np.int64], at: int) -> TaskLine:
    hit, asked, said = int(confusion[at, at]), int(confusion[at].sum()), int(confusion[:, at].sum())
    others = confusion[at].copy()
    others[at] = 0
    return TaskLine(
        task=TASKS[at],
        prompts=asked,
        precision=hit / said if said else 0.0,
        recall=hit / asked,
        f1=2 * hit / (asked + said),
        confused_with=TASKS[int(others.argmax())] if others.any() else "",
    )


def _bins(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    at = np.minimum((confidence * BINS).astype(int), BINS - 1)
    inside = [at == one for one in np.unique(at)]
    return tuple(
        Bin(float(confidence[of].mean()), float(is_right[of].mean()), int(of.sum())) for of in inside
    )


def _coverage(
    confidence: NDArray[np.float64], is_right: NDArray[np.bool_]
) -> tuple[tuple[float, float], ...]:
    order = np.argsort(-confidence)
    kept = [(share, max(1, round(share * len(order)))) for share in COVERAGES]
    return tuple((share, float(is_right[order[:number]].mean())) for share, number in kept)
