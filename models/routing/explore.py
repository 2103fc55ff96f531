"""Bounded exploration: now and then a model that may be better than the one that is thought best, by Thompson
sampling, with the probability of what was done."""

import math
import random
from collections.abc import Sequence

from msgspec.structs import replace

from models.routing.plan import Candidate, Plan

MAX_SHARE = 0.05
"""Of requests, at most."""
MAX_TRIED = 6
MAX_NEW = 2
DRAWS = 24
"""By which the probability of an exploring choice is told."""
MAX_LOSS = 0.15
"""Of utility, that a candidate of which much is known may be thought to be worse and still be tried."""
NEW_SHARE = 0.5
"""Of what is explored, that goes to the candidate of which least is known."""
KNOWN = 40.0
"""Outcomes, the prior's included, from which on a candidate is no longer new."""
HOPE = 2.5
"""Standard deviations that it may be behind."""


def explore(plan: Plan, rng: random.Random, *, share: float = MAX_SHARE) -> Plan:
    """The plan with another first candidate, or the same one; propensities as they were before the draw.

    Not where a conversation goes on, where quality comes first, or with a share of 0.
    """
    tried = _tried(plan.candidates)
    if share <= 0 or plan.seat != "none" or plan.mode == "quality" or len(tried) < 2:
        return plan
    share = min(share, MAX_SHARE)
    beliefs = [(candidate.utility, _spread(candidate)) for candidate in tried]
    wins = [0] * len(tried)
    for _ in range(DRAWS):
        wins[_best(beliefs, rng)] += 1
    # One draw decides, the others tell how likely it was; smoothed, so that nothing that can happen is at 0.
    newest = _newest(tried, beliefs)
    drawn = _best(beliefs, rng) if newest is None or rng.random() >= NEW_SHARE else newest
    chosen = drawn if rng.random() < share else 0
    by_draw = share if newest is None else share * (1.0 - NEW_SHARE)
    probable = [by_draw * (won + 1.0 / len(tried)) / (DRAWS + 1.0) for won in wins]
    probable[0] += 1.0 - share
    if newest is not None:
        probable[newest] += share * NEW_SHARE
    told = [replace(c, propensity=round(p, 6)) for c, p in zip(tried, probable, strict=True)]
    names = {candidate.model_id for candidate in tried}
    others = [replace(c, propensity=0.0) for c in plan.candidates if c.model_id not in names]
    first = told.pop(chosen)
    if chosen:
        first = replace(first, reason=f"{first.reason}; tried to learn how good it is")
    return replace(plan, candidates=(first, *told, *others), explored=chosen != 0)


def _tried(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The close ones, and behind them those that are new and may be better than they are thought to be."""
    least = candidates[0].utility if candidates else 0.0
    close = [c for c in candidates if c.utility >= least - MAX_LOSS][:MAX_TRIED]
    new = [
        c for c in candidates[len(close) :] if c.evidence < KNOWN and c.utility + HOPE * _spread(c) >= least
    ]
    return [*close, *new[:MAX_NEW]]


def _best(tried: Sequence[tuple[float, float]], rng: random.Random) -> int:
    """Whose utility is the highest if each is as good as a draw of what is believed of it."""
    gauss = rng.gauss
    best, highest = 0, float("-inf")
    for at, (utility, spread) in enumerate(tried):
        drawn = gauss(utility, spread)
        if drawn > highest:
            best, highest = at, drawn
    return best


def _newest(tried: Sequence[Candidate], beliefs: Sequence[tuple[float, float]]) -> int | None:
    """The one of which least is known, if that is little and it may well be the best."""
    hopeful = [
        at
        for at, (utility, spread) in enumerate(beliefs)
        if at and tried[at].evidence < KNOWN and utility + HOPE * spread >= beliefs[0][0]
    ]
    return min(hopeful, key=lambda at: tried[at].evidence, default=None)


def _spread(candidate: Candidate) -> float:
    """Of what is believed of its quality: a Beta distribution's standard deviation."""
    return math.sqrt(candidate.quality * (1.0 - candidate.quality) / (1.0 + candidate.evidence))
