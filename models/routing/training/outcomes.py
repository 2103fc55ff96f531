"""What every model's answer to every prompt was worth and cost, and what routers would have made of that."""

import json
import random
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.routing.evaluation import (
    Point,
    average_quality,
    cost_at_quality,
    curve,
    performance_gap_recovered,
)
from models.routing.router import Setting
from models.routing.task import TASKS, Task, TaskPrediction
from models.routing.training.traffic import asked, made_up_world, router_of_all

Array = NDArray[np.float64]

COST_WEIGHTS = (0.0, *np.geomspace(1e-3, 1e2, 300).tolist())
LOG_SHARE = 0.6
SHRINKAGE = 8.0
"""Outcomes that the mean of all tasks counts for in a task's."""


class Outcomes(Struct, frozen=True, kw_only=True):
    """`scores` and `costs` are (prompts, models); what routers learn from is `log`, the rest tests them."""

    models: tuple[str, ...]
    texts: tuple[str, ...]
    tasks: tuple[str, ...]
    scores: Array
    costs: Array
    log: NDArray[np.bool_]

    def part(self, *, log: bool) -> "Outcomes":
        rows = np.flatnonzero(self.log == log)
        return Outcomes(
            models=self.models,
            texts=tuple(self.texts[row] for row in rows),
            tasks=tuple(self.tasks[row] for row in rows),
            scores=self.scores[rows],
            costs=self.costs[rows],
            log=self.log[rows],
        )


class Line(Struct, frozen=True, kw_only=True):
    """One router on the test: its curve, and figures of it beside the best single model."""

    router: str
    points: tuple[Point, ...]
    apgr: float
    aiq: float
    cost_at_95: float | None
    """CPT: the share of the best single model's cost at which 95 % of its quality is reached."""
    cost_at_100: float | None


def read_outcomes(path: Path) -> Outcomes:
    """JSON lines of `id`, `text`, `task` and `models: {name: {score, cost}}`; split by hash of the id."""
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    models = tuple(rows[0]["models"])
    cells = np.array(
        [[(row["models"][model]["score"], row["models"][model]["cost"]) for model in models] for row in rows]
    )
    return Outcomes(
        models=models,
        texts=tuple(row["text"] for row in rows),
        tasks=tuple(str(row["task"]) for row in rows),
        scores=cells[:, :, 0],
        costs=cells[:, :, 1],
        log=np.array([_share(str(row["id"])) < LOG_SHARE for row in rows]),
    )


def made_up_outcomes(
    texts: Sequence[str], tasks: Sequence[str], *, number: int = 2_000, seed: int = 0
) -> Outcomes:
    """Drawn: prices are the catalogue's, how good models are is what is believed of them and some noise."""
    rng, world, router = random.Random(seed), made_up_world(seed), router_of_all(seed)  # noqa: S311
    by_text = {}
    for text, task in zip(texts, tasks, strict=True):
        known = TaskPrediction(task=cast(Task, task), confidence=1.0)
        plan = router.decide(asked(text), "balanced", Setting(exploration=0.0), known)
        by_text[text] = {one.model_id: one for one in plan.candidates}
    models = tuple(sorted(set.intersection(*(set(offers) for offers in by_text.values()))))
    chosen = [rng.randrange(len(texts)) for _ in range(number)]
    scores, costs = np.zeros((number, len(models))), np.zeros((number, len(models)))
    for row, at in enumerate(chosen):
        luck, length = rng.random(), rng.lognormvariate(0, 0.4)
        for column, model in enumerate(models):
            offer = by_text[texts[at]][model]
            # Half of the luck is the prompt's: what is hard for one model is hard for the others.
            draw = luck if rng.random() < 0.5 else rng.random()
            scores[row, column] = draw < world.quality(offer, tasks[at])
            costs[row, column] = offer.cost_pico / 1e12 * length
    return Outcomes(
        models=models,
        texts=tuple(texts[at] for at in chosen),
        tasks=tuple(tasks[at] for at in chosen),
        scores=scores,
        costs=costs,
        log=np.array([_share(f"{seed} {row}") < LOG_SHARE for row in range(number)]),
    )


def known_tasks(tasks: Sequence[str]) -> Array:
    """(prompts, tasks): as sure as can be."""
    names = sorted({*TASKS, *tasks})
    return np.eye(len(names))[[names.index(task) for task in tasks]]


def told_tasks(told: Sequence[TaskPrediction]) -> Array:
    """(prompts, tasks): what a classifier says, in the order of `known_tasks`."""
    order = [TASKS.index(task) for task in sorted(TASKS)]
    return np.array([one.distribution() for one in told])[:, order]


def lines(outcomes: Outcomes, by_router: dict[str, Array]) -> list[Line]:
    """Random mixing, a naive rule, and the oracle; between them routers by a table of quality by task, each
    with what it takes the prompts' tasks to be: (prompts, tasks) for all prompts."""
    test = outcomes.part(log=False)
    weak, strong = ends(test)
    found = [
        _line("random", [_mix(weak, strong, share) for share in np.linspace(0, 1, 101)], weak, strong),
        _line("naive: long prompts to the best", _by_length(test), weak, strong),
    ]
    for name, tasks in by_router.items():
        expected = _expected(outcomes, tasks)
        found.append(_line(name, served(expected, test), weak, strong))
    return [*found, _line("oracle", served(test.scores, test), weak, strong)]


def ends(test: Outcomes) -> tuple[Point, Point]:
    """The cheapest model, and the best."""
    means, costs = test.scores.mean(0), test.costs.mean(0)
    cheapest, best = int(costs.argmin()), int(means.argmax())
    return tuple(Point(float(costs[at]), float(means[at])) for at in (cheapest, best))  # type: ignore[return-value]


def served(expected: Array, test: Outcomes) -> list[Point]:
    """The curve of always choosing what is expected to be worth most, over weights of cost."""
    relative, rows = test.costs / test.costs.mean(), np.arange(len(test.texts))

    def serve(weight: float) -> Point:
        chosen = (expected - weight * relative).argmax(1)
        return Point(float(test.costs[rows, chosen].mean()), float(test.scores[rows, chosen].mean()))

    return curve(serve, COST_WEIGHTS)


def _expected(outcomes: Outcomes, tasks: Array) -> Array:
    """(test prompts, models), by a table that the log fills."""
    shares, scores = tasks[outcomes.log], outcomes.scores[outcomes.log]
    mean = scores.mean(0)
    table = (shares.T @ scores + SHRINKAGE * mean) / (shares.sum(0)[:, None] + SHRINKAGE)
    return np.asarray(tasks[~outcomes.log] @ table)


def _by_length(test: Outcomes) -> list[Point]:
    lengths = np.array([len(text) for text in test.texts])
    cheapest, best = int(test.costs.mean(0).argmin()), int(test.scores.mean(0).argmax())
    rows = np.arange(len(lengths))

    def serve(quantile: float) -> Point:
        chosen = np.where(lengths > np.quantile(lengths, quantile), best, cheapest)
        return Point(float(test.costs[rows, chosen].mean()), float(test.scores[rows, chosen].mean()))

    return curve(serve, np.linspace(0, 1, 41).tolist(), ends=ends(test))


def _line(name: str, points: Sequence[Point], weak: Point, strong: Point) -> Line:
    reached = [cost_at_quality(points, share * strong.quality) for share in (0.95, 1.0)]
    at_95, at_100 = (None if cost is None else cost / strong.cost for cost in reached)
    return Line(
        router=name,
        points=tuple(points),
        apgr=performance_gap_recovered(points, weak, strong),
        aiq=average_quality(points, most=strong.cost),
        cost_at_95=at_95,
        cost_at_100=at_100,
    )


def _mix(weak: Point, strong: Point, share: float) -> Point:
    cost = weak.cost + share * (strong.cost - weak.cost)
    return Point(cost, weak.quality + share * (strong.quality - weak.quality))


def _share(name: str) -> float:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) / 2**32
