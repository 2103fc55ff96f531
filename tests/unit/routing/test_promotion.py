"""Candidates go on when they are no worse beyond doubt, and back when they are worse beyond doubt."""

import pytest
from msgspec.structs import replace

from models.routing.promotion import (
    Action,
    Evidence,
    Figures,
    Stage,
    Sums,
    chosen_for,
    decide,
    difference,
    mean_of,
    share_of,
)


def _values(number: int, mean: float) -> Sums:
    """Half of them a tenth under the mean, half over it."""
    return Sums(number, number * mean, number * (mean * mean + 0.01))


def _figures(
    number: int = 1_000,
    *,
    abstained: float = 0.03,
    cpu_ms: float = 4.0,
    errors: float = 0.01,
    dissatisfied: float = 0.3,
) -> Figures:
    return Figures(
        classified=number,
        abstained=round(number * abstained),
        cpu_ms=_values(number, cpu_ms),
        requests=number,
        errors=round(number * errors),
        dissatisfaction=_values(number, dissatisfied),
    )


def _evidence(candidate: Figures, *, disagreed: int = 100, compared: int = 1_000) -> Evidence:
    return Evidence(serving=_figures(), candidate=candidate, compared=compared, disagreed=disagreed)


@pytest.mark.parametrize(
    ("stage", "candidate", "action", "named"),
    [
        ("shadow", _figures(), "advance", ""),
        ("canary", _figures(), "advance", ""),
        ("full", _figures(), "stay", ""),
        ("shadow", Figures(), "stay", "abstention"),
        ("shadow", _figures(150), "stay", "abstention"),
        ("canary", replace(_figures(), dissatisfaction=Sums()), "stay", "dissatisfaction"),
        ("shadow", replace(_figures(), failed=1), "rollback", "failed"),
        ("shadow", _figures(abstained=0.3), "rollback", "abstention"),
        ("canary", _figures(abstained=0.3), "rollback", "abstention"),
        ("shadow", _figures(cpu_ms=30.0), "rollback", "cpu_ms"),
        ("canary", _figures(errors=0.1), "rollback", "errors"),
        ("full", _figures(errors=0.1), "rollback", "errors"),
        ("canary", _figures(dissatisfied=0.5), "rollback", "dissatisfaction"),
        ("full", _figures(dissatisfied=0.5), "rollback", "dissatisfaction"),
        # What a stage does not show is not asked of it.
        ("shadow", _figures(dissatisfied=0.5), "advance", ""),
        # A few bad answers are no proof.
        ("canary", _figures(20, errors=0.5), "stay", "errors"),
    ],
)
def test_what_becomes_of_a_candidate(stage: Stage, candidate: Figures, action: Action, named: str) -> None:
    verdict = decide(stage, _evidence(candidate))
    assert verdict.action == action, verdict
    assert named in " ".join(verdict.reasons)


@pytest.mark.parametrize(("disagreed", "action"), [(100, "advance"), (400, "stay"), (600, "rollback")])
def test_a_shadow_that_says_something_else_most_of_the_time_goes_back(disagreed: int, action: Action) -> None:
    assert decide("shadow", _evidence(_figures(), disagreed=disagreed)).action == action


def test_intervals_hold_the_truth_and_shrink_with_what_is_known() -> None:
    few, many = share_of(1, 20), share_of(50, 1_000)
    assert few is not None
    assert many is not None
    assert few.low < 0.05 < few.high
    assert many.high - many.low < few.high - few.low
    unseen = share_of(0, 100)
    assert unseen is not None
    assert unseen.high == pytest.approx(0.037, abs=0.001)
    assert share_of(0, 0) is None
    assert mean_of(Sums(1, 1.0, 1.0)) is None


def test_a_difference_is_as_wide_as_both() -> None:
    one, other = share_of(60, 100), share_of(40, 100)
    assert one is not None
    assert other is not None
    gap = difference(one, other)
    assert gap.value == pytest.approx(0.2)
    assert gap.low == pytest.approx(0.0617, abs=0.002)
    assert gap.high == pytest.approx(0.326, abs=0.005)


def test_evidence_of_replicas_adds_up() -> None:
    one = _evidence(_figures())
    both = one + one
    assert (both.compared, both.candidate.classified, both.serving.cpu_ms.number) == (2_000, 2_000, 2_000)


def test_a_key_is_always_with_the_same_classifier_and_others_with_the_next_candidate() -> None:
    keys = [f"conversation {number}" for number in range(4_000)]
    chosen = {key for key in keys if chosen_for(key, "a", 0.1)}
    assert chosen == {key for key in keys if chosen_for(key, "a", 0.1)}
    assert len(chosen) == pytest.approx(400, abs=60)
    assert chosen <= {key for key in keys if chosen_for(key, "a", 0.3)}
    other = {key for key in keys if chosen_for(key, "b", 0.1)}
    assert len(chosen & other) == pytest.approx(40, abs=25)
    assert not any(chosen_for(key, "a", 0.0) for key in keys)
    assert all(chosen_for(key, "a", 1.0) for key in keys)
