"""What outcomes teach: what is forgotten, who is doubted, and how much one user counts."""

import random

import msgspec
import pytest

from models.routing.learner import FORGETTING, Kind, Learned, Outcome, absorb
from models.routing.pacer import Pacer


def _outcome(reward: float = 1.0, model: str = "m", user: str = "", kind: Kind = "explicit") -> Outcome:
    return Outcome(model_id=model, task="code", reward=reward, user_id=user, kind=kind)


def test_the_prior_gives_way_to_outcomes() -> None:
    learned = absorb(Learned(), [_outcome(1.0)] * 20)
    assert Learned().mean("m", "code", prior=0.5, prior_weight=20) == 0.5
    assert learned.mean("m", "code", prior=0.5, prior_weight=20) == pytest.approx(0.75, abs=0.01)
    assert learned.mean("m", "math_reasoning", prior=0.5, prior_weight=20) == 0.5
    assert learned.mean("other", "code", prior=0.5, prior_weight=20) == 0.5


def test_what_a_model_does_at_other_tasks_says_something_of_this_one() -> None:
    learned = absorb(Learned(), [_outcome(1.0)] * 30)
    believed = learned.believed("m", {"code": 0.5, "analysis": 0.6}, prior_weight=20)
    assert believed["analysis"][0] > 0.65
    assert believed["analysis"][1] == 20
    alone = learned.mean("m", "code", prior=0.5, prior_weight=20)
    assert believed["code"][0] == pytest.approx(alone)


def test_old_outcomes_fade_as_new_ones_of_the_task_come() -> None:
    learned = absorb(Learned(), [_outcome(1.0, "a"), *[_outcome(0.5, "b")] * 500])
    assert learned.evidence("a", "code").weight == pytest.approx(FORGETTING**500)


def test_what_is_done_counts_for_less_than_what_is_said() -> None:
    learned = absorb(Learned(), [_outcome(kind="implicit")])
    assert learned.evidence("m", "code").weight < 0.5


def test_the_same_batch_again_changes_nothing() -> None:
    once = absorb(Learned(), [_outcome()], batch="b1")
    assert absorb(once, [_outcome()], batch="b1") == once
    assert absorb(once, [_outcome()], batch="b2").version == 2


def test_all_who_hear_the_same_know_the_same() -> None:
    rng = random.Random(3)  # noqa: S311
    heard = [_outcome(rng.random(), rng.choice("abc"), rng.choice("xyz")) for _ in range(300)]
    whole = absorb(Learned(), heard)
    stored = msgspec.json.decode(msgspec.json.encode(absorb(Learned(), heard[:150])), type=Learned)
    parts = absorb(stored, heard[150:])
    for model in "abc":
        assert parts.evidence(model, "code").reward == pytest.approx(whole.evidence(model, "code").reward)


def test_a_model_that_falls_is_noticed_and_its_evidence_set_aside() -> None:
    rng = random.Random(1)  # noqa: S311
    good = absorb(Learned(), [_outcome(float(rng.random() < 0.9)) for _ in range(300)])
    assert good.drifts["m"].alarms == 0
    fallen, outcomes = good, 0
    while fallen.drifts["m"].alarms == 0:
        fallen = absorb(fallen, [_outcome(float(rng.random() < 0.4))])
        outcomes += 1
    assert outcomes <= 40
    assert fallen.start("m", 0.9) < 0.7
    assert fallen.mean("m", "code", prior=0.9, prior_weight=20) < 0.65


def test_a_steady_model_is_hardly_ever_doubted() -> None:
    rng = random.Random(2)  # noqa: S311
    steady = absorb(Learned(), [_outcome(float(rng.random() < 0.7)) for _ in range(3_000)])
    assert steady.drifts["m"].alarms <= 1


def test_one_user_cannot_speak_for_all() -> None:
    others = [_outcome(1.0, user=f"u{n}") for n in range(50)]
    flood = [_outcome(0.0, user="enemy")] * 2_000
    learned = absorb(absorb(Learned(), others), flood)
    assert learned.evidence("m", "code").weight < 60
    assert learned.mean("m", "code", prior=0.8, prior_weight=20) > 0.8
    assert learned.drifts["m"].alarms == 0


def test_a_lone_user_is_heard() -> None:
    learned = absorb(Learned(), [_outcome(0.0, user="only")] * 100)
    assert learned.evidence("m", "code").weight > 80


def test_a_budget_lasts_and_is_not_overrun() -> None:
    """Two models: the pressure finds the mix that the budget affords."""
    rng = random.Random(4)  # noqa: S311
    pacer = Pacer(left_pico=2_000 * 30, requests_left=2_000)
    spent = 0
    for _ in range(2_000):
        gain = rng.random() * 0.2
        cost = 100 if gain > 0.002 * pacer.pressure * 90 / 1 and pacer.allows(100) else 10
        pacer, spent = pacer.spent(cost), spent + cost
    assert spent <= 2_000 * 30 * 1.02
    assert spent >= 2_000 * 30 * 0.9
