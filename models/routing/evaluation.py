"""What a policy would have done on traffic that another one served, and how its costs and qualities lie.

Off-policy estimates: inverse propensity (IPS), the same normalised (SNIPS), and doubly robust (DR), each with
the interval that a central limit gives. Nothing is promoted on a point estimate.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

Z95 = 1.959964
MAX_RATIO = 50.0
"""Importance ratios are cut off there: a little bias for a lot of variance."""


class Logged(Struct, frozen=True, kw_only=True):
    """A request that was served: what was chosen, how probable that was, and what it came to."""

    chosen: str
    propensity: float
    reward: float
    target: Mapping[str, float]
    """What the policy that is judged would have chosen, with which probability."""
    predicted: Mapping[str, float] = {}
    """What a model of rewards says of each choice; for DR."""


class Estimate(Struct, frozen=True):
    value: float
    low: float
    high: float
    effective: float
    """How many independent requests the estimate is worth."""


def ips(log: Sequence[Logged]) -> Estimate:
    """Raises ValueError for a log that is empty or says that what happened was impossible."""
    ratios = _ratios(log)
    terms = [ratio * one.reward for ratio, one in zip(ratios, log, strict=True)]
    return _estimate(terms, ratios)


def snips(log: Sequence[Logged]) -> Estimate:
    """As `ips`, by the sum of the ratios: no estimate is outside the rewards that were seen."""
    ratios = _ratios(log)
    total = sum(ratios)
    if total <= 0:
        raise ValueError("nothing that was logged is what the policy would do")
    value = sum(ratio * one.reward for ratio, one in zip(ratios, log, strict=True)) / total
    squares = sum((ratio * (one.reward - value)) ** 2 for ratio, one in zip(ratios, log, strict=True))
    half = Z95 * math.sqrt(squares) / total
    return Estimate(value, value - half, value + half, _effective(ratios))


def doubly_robust(log: Sequence[Logged]) -> Estimate:
    """Right if either the propensities or the predictions are."""
    ratios = _ratios(log)
    terms = []
    for ratio, one in zip(ratios, log, strict=True):
        direct = sum(share * one.predicted.get(name, 0.0) for name, share in one.target.items())
        terms.append(direct + ratio * (one.reward - one.predicted.get(one.chosen, 0.0)))
    return _estimate(terms, ratios)


def may_promote(challenger: Estimate, incumbent: Estimate, *, least_effective: float = 200.0) -> bool:
    """Whether it is better beyond doubt: its low end is no worse than the other's value, on enough."""
    return challenger.effective >= least_effective and challenger.low >= incumbent.value


class Point(Struct, frozen=True):
    """What serving all requests came to, on average."""

    cost: float
    quality: float


def curve(
    serve: Callable[[float], Point], cost_weights: Sequence[float], *, ends: Sequence[Point] = ()
) -> list[Point]:
    """The points that no other one beats, by cost. `serve` serves at a weight of cost."""
    points = sorted([*map(serve, cost_weights), *ends], key=lambda p: (p.cost, -p.quality))
    best: list[Point] = []
    for point in points:
        if not best or point.quality > best[-1].quality:
            best.append(point)
    return best


def cost_at_quality(points: Sequence[Point], quality: float) -> float | None:
    """The least cost (CPT) at which the quality is reached; None where it never is."""
    return min((point.cost for point in points if point.quality >= quality), default=None)


def performance_gap_recovered(points: Sequence[Point], weak: Point, strong: Point) -> float:
    """APGR: how much of the gap from the weak model to the strong one is recovered, averaged over the share
    of what the strong one costs more. Random mixing is 0.5."""
    span, gap = strong.cost - weak.cost, strong.quality - weak.quality
    if span <= 0 or gap <= 0:
        raise ValueError("the strong model has to be the better and the dearer one")
    steps = 200
    total = 0.0
    for step in range(steps):
        budget = weak.cost + span * (step + 0.5) / steps
        total += (_quality_for(points, budget, weak) - weak.quality) / gap
    return total / steps


def average_quality(points: Sequence[Point], *, most: float) -> float:
    """AIQ: mean quality over all budgets up to `most`; of none below the cheapest point."""
    steps = 200
    none = Point(0.0, 0.0)
    return sum(_quality_for(points, most * (step + 0.5) / steps, none) for step in range(steps)) / steps


def _quality_for(points: Sequence[Point], budget: float, least: Point) -> float:
    return max([least.quality, *(point.quality for point in points if point.cost <= budget)])


def _ratios(log: Sequence[Logged]) -> list[float]:
    if not log or min(one.propensity for one in log) <= 0:
        raise ValueError("a log of choices that could happen is needed")
    return [min(MAX_RATIO, one.target.get(one.chosen, 0.0) / one.propensity) for one in log]


def _estimate(terms: Sequence[float], ratios: Sequence[float]) -> Estimate:
    number = len(terms)
    value = sum(terms) / number
    variance = sum((term - value) ** 2 for term in terms) / max(1, number - 1)
    half = Z95 * math.sqrt(variance / number)
    return Estimate(value, value - half, value + half, _effective(ratios))


def _effective(ratios: Sequence[float]) -> float:
    squares = sum(ratio * ratio for ratio in ratios)
    return sum(ratios) ** 2 / squares if squares else 0.0
