"""How answers were taken, and what that says of a user's taste."""

import pytest

from models.routing.preferences import HALF_LIFE_S, MOST, Taste, preferences
from models.routing.signals import NextTurn, Signal, implied, reward_of
from models.routing.task import TaskPrediction


@pytest.mark.parametrize(
    ("signal", "value", "reward"),
    [
        ("thumbs", 1, 1.0),
        ("thumbs", -1, 0.0),
        ("rating", 1, 0.0),
        ("rating", 3, 0.5),
        ("rating", 5, 1.0),
        ("comparison", 1, 1.0),
        ("comparison", -1, 0.0),
        ("regenerated", None, 0.1),
        ("went_on", None, 0.8),
    ],
)
def test_signals_are_rewards(signal: Signal, value: float | None, reward: float) -> None:
    assert reward_of(signal, value) == reward


@pytest.mark.parametrize(
    ("signal", "value"), [("thumbs", 0), ("thumbs", None), ("rating", 6), ("rating", None)]
)
def test_what_means_nothing_is_refused(signal: Signal, value: float | None) -> None:
    with pytest.raises(ValueError, match="1"):
        reward_of(signal, value)


ASKED = "how do I sort a list of tuples by the second field"


@pytest.mark.parametrize(
    ("next_turn", "cut_off", "signal"),
    [
        (None, False, None),
        (None, True, "abandoned"),
        (NextTurn(after_s=5, question=ASKED, same_branch=False), False, "regenerated"),
        (NextTurn(after_s=5, question="sort list of tuples by second field"), False, "asked_again"),
        (NextTurn(after_s=4_000, question=ASKED), False, "went_on"),
        (NextTurn(after_s=5, question="thanks, and how do I test it?"), False, "went_on"),
        (NextTurn(after_s=5, question="go on", model_named="other"), False, "switched_away"),
        (NextTurn(after_s=5, question="go on", model_named="m"), False, "went_on"),
    ],
)
def test_what_is_done_next_tells(next_turn: NextTurn | None, cut_off: bool, signal: Signal | None) -> None:
    assert implied(question=ASKED, model_id="m", cut_off=cut_off, next_turn=next_turn) == signal


def test_a_repeated_question_is_known_without_spaces() -> None:
    turn = NextTurn(after_s=5, question="请把这句话翻译成英文吧")
    assert (
        implied(question="请把这句话翻译成英文", model_id="m", cut_off=False, next_turn=turn) == "asked_again"
    )


CODE = TaskPrediction(task="code", confidence=1.0)
OTHER = TaskPrediction(task="translation", confidence=1.0)


def _taste(weight: float, gain: float) -> Taste:
    return Taste(model_id="m", task="code", weight=weight, gain=gain, updated_at=0.0)


def test_little_says_little_and_much_says_no_more_than_so_much() -> None:
    little = preferences([_taste(1, 0.5)], CODE, now=0.0)
    much = preferences([_taste(100, 50)], CODE, now=0.0)
    assert abs(little.get("m", 0.0)) < 0.02
    assert much["m"] == MOST


def test_a_taste_counts_most_for_its_task_and_fades() -> None:
    tastes = [_taste(20, -6)]
    here = preferences(tastes, CODE, now=0.0)["m"]
    elsewhere = preferences(tastes, OTHER, now=0.0)["m"]
    later = preferences(tastes, CODE, now=3 * HALF_LIFE_S)["m"]
    assert here < elsewhere < 0
    assert here < later < 0


def test_outcomes_add_up_by_how_recent_they_are() -> None:
    taste = _taste(4, 2).with_outcome(-1.0, weight=1.0, now=HALF_LIFE_S)
    assert taste.weight == pytest.approx(3.0)
    assert taste.gain == pytest.approx(0.0)
    assert -1 <= taste.score <= 1
