"""What routers would have made of logged outcomes: cost at a quality, beside random, table and oracle."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.routing.correction import Correction
from models.routing.evaluation import Point, cost_at_quality, curve, performance_gap_recovered
from tests.routing.outcomes import Array, Matrix

WEIGHTS = [0.0, *np.geomspace(1e-3, 1e2, 1_500)]
SHRINKAGE = 8.0


class Line(NamedTuple):
    router: str
    cost_at_95: float | None
    """Share of the best single model's cost at which 95 % of its quality is reached."""
    cost_at_100: float | None
    apgr: float | None


def replay(matrix: Matrix, vectors: Array) -> list[Line]:
    """Everything is learned from the log and told of the test."""
    log, test = matrix.part(log=True), matrix.part(log=False)
    by_log, by_test = vectors[matrix.is_log], vectors[~matrix.is_log]
    plain = Correction(by_log, log.texts, log.scores)
    grouped = Correction(by_log, log.texts, log.scores, log.sources)
    routers = {
        "random mix": None,
        "task table": _table(log.tasks, log.scores, test.tasks),
        "source table (knows the source)": _table(log.sources, log.scores, test.sources),
        "correction": plain.predict(by_test, test.texts),
        "correction, groups in the log": grouped.predict(by_test, test.texts),
        "oracle": test.scores,
    }
    return [_line(name, predicted, test) for name, predicted in routers.items()]


def _line(name: str, predicted: Array | None, test: Matrix) -> Line:
    means, costs = test.scores.mean(0), test.costs.mean(0)
    best, cheapest = int(means.argmax()), int(costs.argmin())
    weak, strong = (Point(float(costs[at]), float(means[at])) for at in (cheapest, best))
    if predicted is None:
        points = [_mix(weak, strong, share) for share in np.linspace(0, 1, 101)]
    else:
        points = curve(lambda weight: _serve(predicted, test, weight), WEIGHTS)
    shares = [cost_at_quality(points, part * strong.quality) for part in (0.95, 1.0)]
    at_95, at_100 = (None if cost is None else cost / strong.cost for cost in shares)
    return Line(name, at_95, at_100, performance_gap_recovered(points, weak, strong))


def _serve(predicted: Array, test: Matrix, weight: float) -> Point:
    """What the inputs of a request cost is known before it is sent."""
    chosen = (predicted - weight * test.costs / test.costs.mean()).argmax(1)
    rows = np.arange(len(chosen))
    return Point(float(test.costs[rows, chosen].mean()), float(test.scores[rows, chosen].mean()))


def _mix(weak: Point, strong: Point, share: float) -> Point:
    return Point(
        weak.cost + share * (strong.cost - weak.cost),
        weak.quality + share * (strong.quality - weak.quality),
    )


def _table(logged: Sequence[str], scores: Array, asked: Sequence[str]) -> Array:
    labels, mean = np.array(logged), scores.mean(0)
    rows = {}
    for label in set(logged):
        of_label = scores[labels == label]
        rows[label] = (of_label.sum(0) + SHRINKAGE * mean) / (len(of_label) + SHRINKAGE)
    return np.array([rows.get(label, mean) for label in asked], np.float32)
