"""Off-policy estimates against simulated truth, curves against ones known, and the odds of exploring."""

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from models.routing.evaluation import (
    Estimate,
    Logged,
    Point,
    average_quality,
    cost_at_quality,
    curve,
    doubly_robust,
    ips,
    may_promote,
    performance_gap_recovered,
    snips,
)
from models.routing.explore import explore
from models.routing.plan import Candidate, Plan

TRUTH = {"a": 0.7, "b": 0.5, "c": 0.3}
LOGGED = {"a": 0.2, "b": 0.5, "c": 0.3}
TARGET = {"a": 0.9, "b": 0.1}


def _log(rng: random.Random, *, predicted: dict[str, float], number: int = 2_000) -> list[Logged]:
    log = []
    for _ in range(number):
        chosen = rng.choices(list(LOGGED), list(LOGGED.values()))[0]
        log.append(
            Logged(
                chosen=chosen,
                propensity=LOGGED[chosen],
                reward=float(rng.random() < TRUTH[chosen]),
                target=TARGET,
                predicted=predicted,
            )
        )
    return log


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_the_truth_is_in_the_interval_about_as_often_as_it_says(estimator: object) -> None:
    truth = sum(share * TRUTH[name] for name, share in TARGET.items())
    rng, hits = random.Random(7), 0  # noqa: S311
    for _ in range(60):
        found = estimator(_log(rng, predicted={"a": 0.6, "b": 0.6, "c": 0.6}))  # type: ignore[operator]
        hits += found.low <= truth <= found.high
    assert hits >= 52


def test_good_predictions_make_the_interval_narrower() -> None:
    log = _log(random.Random(8), predicted=TRUTH)  # noqa: S311
    plain, robust = ips(log), doubly_robust(log)
    assert robust.high - robust.low < plain.high - plain.low
    assert 0 < plain.effective < len(log)


def test_right_propensities_make_up_for_wrong_predictions() -> None:
    truth = sum(share * TRUTH[name] for name, share in TARGET.items())
    found = doubly_robust(_log(random.Random(9), predicted={"a": 0.1, "b": 0.9, "c": 0.9}, number=20_000))  # noqa: S311
    assert found.value == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize("estimator", [ips, snips, doubly_robust])
def test_a_log_that_cannot_be_judged_is_refused(estimator: object) -> None:
    impossible = Logged(chosen="a", propensity=0.0, reward=1.0, target=TARGET)
    for log in ([], [impossible]):
        with pytest.raises(ValueError, match="could happen"):
            estimator(log)  # type: ignore[operator]


def test_only_what_is_better_beyond_doubt_is_promoted() -> None:
    now = Estimate(0.60, 0.58, 0.62, 5_000)
    assert may_promote(Estimate(0.66, 0.62, 0.70, 900), now)
    assert not may_promote(Estimate(0.66, 0.55, 0.77, 900), now)
    assert not may_promote(Estimate(0.70, 0.65, 0.75, 50), now)


WEAK, STRONG = Point(1.0, 0.5), Point(11.0, 0.9)


def test_mixing_at_random_recovers_half_of_the_gap() -> None:
    mixed = [Point(1 + 10 * s / 100, 0.5 + 0.4 * s / 100) for s in range(101)]
    assert performance_gap_recovered(mixed, WEAK, STRONG) == pytest.approx(0.5, abs=0.01)
    assert performance_gap_recovered([STRONG], WEAK, STRONG) == pytest.approx(0.0)
    assert performance_gap_recovered([Point(1.0, 0.9)], WEAK, STRONG) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="better and the dearer"):
        performance_gap_recovered(mixed, STRONG, WEAK)


def test_a_curve_holds_what_nothing_beats() -> None:
    served = {0.0: Point(5, 0.8), 1.0: Point(3, 0.7), 2.0: Point(4, 0.6)}
    points = curve(served.__getitem__, list(served), ends=(WEAK, STRONG))
    assert points == [WEAK, Point(3, 0.7), Point(5, 0.8), STRONG]
    assert cost_at_quality(points, 0.75) == 5
    assert cost_at_quality(points, 0.95) is None
    assert average_quality([Point(0.0, 1.0)], most=10.0) == pytest.approx(1.0)
    assert 0.5 < average_quality(points, most=11.0) < 0.9


def _plan(**changes: object) -> Plan:
    def one(name: str, quality: float, evidence: float) -> Candidate:
        return Candidate(
            model_id=name,
            provider="p",
            tier="mid",
            reason=name,
            utility=quality,
            quality=quality,
            evidence=evidence,
        )

    fields: dict[str, object] = {
        "mode": "balanced",
        "needs": (),
        "estimated_input_tokens": 1,
        "candidates": (one("best", 0.8, 30), one("near", 0.78, 10), one("far", 0.3, 10)),
        "dropped": (),
        "confidence": 1.0,
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]


def test_exploration_is_bounded_and_its_odds_are_told() -> None:
    rng, seen, told = random.Random(11), Counter[str](), Counter[str]()  # noqa: S311
    for _ in range(4_000):
        plan = explore(_plan(), rng)
        seen[plan.candidates[0].model_id] += 1
        assert plan.explored == (plan.candidates[0].model_id != "best")
        for candidate in plan.candidates:
            told[candidate.model_id] += candidate.propensity  # type: ignore[assignment]
    assert seen["far"] == 0
    assert 0.005 < seen["near"] / 4_000 < 0.05
    assert told["near"] / 4_000 == pytest.approx(seen["near"] / 4_000, abs=0.01)
    assert sum(told.values()) == pytest.approx(4_000, abs=1)


def test_of_what_is_new_more_is_learned() -> None:
    near, far = _plan().candidates[1:]
    new = replace(near, model_id="new", quality=0.6, utility=0.6, evidence=8.0)
    old = replace(near, model_id="old", quality=0.6, utility=0.6, evidence=400.0)
    rng, seen = random.Random(13), Counter[str]()  # noqa: S311
    for _ in range(2_000):
        plan = explore(_plan(candidates=(_plan().candidates[0], new, old, far)), rng)
        seen[plan.candidates[0].model_id] += 1
    assert seen["new"] > 0.02 * 2_000
    assert seen["old"] == 0


@pytest.mark.parametrize(
    ("plan", "share"),
    [(_plan(), 0.0), (_plan(mode="quality"), 0.05), (_plan(seat="kept"), 0.05), (_plan(seat="locked"), 0.05)],
)
def test_nobody_explores_where_it_is_not_wanted(plan: Plan, share: float) -> None:
    rng = random.Random(12)  # noqa: S311
    assert all(explore(plan, rng, share=share) == plan for _ in range(200))
