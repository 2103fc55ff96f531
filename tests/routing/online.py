"""Learning while serving, on logged outcomes: regret, a fall of the best, a new model, a budget."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.routing.explore import explore
from models.routing.learner import Learned, Outcome, absorb
from models.routing.pacer import Pacer
from models.routing.plan import Candidate, Plan
from models.routing.task import Task
from tests.routing.outcomes import Matrix

PRIOR = 20.0
NEW_PRIOR = 8.0
"""A model of which nothing has been measured counts for as little as its tier's mean."""
REQUESTS = 6_000
NEW_AFTER = 1_000


class Run(NamedTuple):
    """Shares of what the best choice per task would have gained, in hindsight."""

    first: float
    steady: float
    after_fall: float


class Bandit:
    """One choice after another, by the learner's table and the router's exploration."""

    def __init__(
        self, models: Sequence[str], prior: Sequence[float], tasks: Sequence[Task], rng: random.Random
    ) -> None:
        self._models, self._rng = models, rng
        self._priors = [dict.fromkeys(tasks, mean) for mean in prior]
        self.weights = [PRIOR] * len(models)
        self._learned = Learned()

    def choose(self, task: Task, known: int, penalty: Sequence[float] = ()) -> int:
        candidates = []
        for at in range(known):
            mean, weight = self._learned.believed(
                self._models[at], self._priors[at], prior_weight=self.weights[at]
            )[task]
            candidates.append(_candidate(self._models[at], mean, weight, penalty[at] if penalty else 0.0))
        candidates.sort(key=lambda candidate: -candidate.utility)
        plan = Plan(
            mode="balanced",
            needs=(),
            estimated_input_tokens=0,
            candidates=tuple(candidates),
            dropped=(),
            confidence=1.0,
        )
        return self._models.index(explore(plan, self._rng).candidates[0].model_id)

    def hear(self, at: int, task: Task, reward: float) -> None:
        outcome = Outcome(model_id=self._models[at], task=task, reward=reward, kind="measured")
        self._learned = absorb(self._learned, [outcome])


def _candidate(model_id: str, mean: float, weight: float, penalty: float) -> Candidate:
    return Candidate(
        model_id=model_id,
        provider="",
        tier="mid",
        reason="",
        utility=mean - penalty,
        quality=mean,
        evidence=weight,
    )


def regret(matrix: Matrix, seed: int) -> Run:
    """Half way through the two best models lose half of their quality. The prior is one mean a model."""
    rng, scores = random.Random(seed), matrix.scores  # noqa: S311 - repeatable
    bandit = Bandit(matrix.models, [float(mean) for mean in scores.mean(0)], _tasks(matrix), rng)
    best, half = np.argsort(-scores.mean(0))[:2], REQUESTS // 2
    truth = _means(matrix)
    got, could = [], []
    for number in range(REQUESTS):
        row = rng.randrange(len(scores))
        task, score, mean = matrix.tasks[row], scores[row].copy(), truth[matrix.tasks[row]].copy()
        if number >= half:
            score[best] *= 0.5
            mean[best] *= 0.5
        chosen = bandit.choose(task, len(score))  # type: ignore[arg-type]  # a task's name
        bandit.hear(chosen, task, float(score[chosen]))  # type: ignore[arg-type]
        got.append(score[chosen])
        could.append(score[int(mean.argmax())])

    def share(start: int, end: int) -> float:
        return float(sum(got[start:end]) / sum(could[start:end]))

    return Run(share(0, 500), share(half - 1_500, half), share(half, half + 500))


def adoption(matrix: Matrix, seed: int) -> int | None:
    """Requests until a new model, the best of all and thought to be middling, serves half of the last 50."""
    rng, scores = random.Random(seed), matrix.scores  # noqa: S311 - repeatable
    order = [int(at) for at in np.argsort(scores.mean(0))]
    prior = [float(scores.mean(0)[at]) for at in order]
    prior[-1] = sum(prior) / len(prior)
    bandit = Bandit([matrix.models[at] for at in order], prior, _tasks(matrix), rng)
    bandit.weights[-1] = NEW_PRIOR
    served: list[bool] = []
    for number in range(NEW_AFTER + 1_500):
        row = rng.randrange(len(scores))
        is_there = number >= NEW_AFTER
        chosen = bandit.choose(matrix.tasks[row], len(order) - (not is_there))  # type: ignore[arg-type]
        # A clear gain over the best before it: nine in ten.
        reward = float(rng.random() < 0.9) if chosen == len(order) - 1 else float(scores[row, order[chosen]])
        bandit.hear(chosen, matrix.tasks[row], reward)  # type: ignore[arg-type]
        if is_there:
            served.append(chosen == len(order) - 1)
            if sum(served[-50:]) >= 25:
                return len(served)
    return None


def overrun(matrix: Matrix, seed: int) -> tuple[float, float]:
    """By how much a budget of a third of the dearest's cost is overrun, and the share of it that is spent."""
    rng, scores, costs = random.Random(seed), matrix.scores, matrix.costs  # noqa: S311 - repeatable
    scale = 1e9 / float(costs.mean())
    budget = int(float(costs.mean(0).max()) * scale * REQUESTS / 3)
    bandit = Bandit(matrix.models, [float(mean) for mean in scores.mean(0)], _tasks(matrix), rng)
    pacer, spent = Pacer(left_pico=budget, requests_left=REQUESTS), 0
    for _ in range(REQUESTS):
        row = rng.randrange(len(scores))
        task, prices = matrix.tasks[row], [float(cost) * scale for cost in costs[row]]
        penalty = [0.05 * pacer.pressure * price / 1e9 for price in prices]
        chosen = bandit.choose(task, len(prices), penalty)  # type: ignore[arg-type]
        if not pacer.allows(int(prices[chosen])):
            chosen = int(np.argmin(prices))
        bandit.hear(chosen, task, float(scores[row, chosen]))  # type: ignore[arg-type]
        pacer, spent = pacer.spent(int(prices[chosen])), spent + int(prices[chosen])
    return max(0.0, spent / budget - 1), spent / budget


def _tasks(matrix: Matrix) -> list[Task]:
    return sorted(set(matrix.tasks))  # type: ignore[arg-type]  # tasks' names


def _means(matrix: Matrix) -> dict[str, np.ndarray]:
    tasks = np.array(matrix.tasks)
    return {task: matrix.scores[tasks == task].mean(0) for task in set(matrix.tasks)}
