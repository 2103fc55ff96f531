"""How many lines are under way, and which are run again."""

import pytest

from models.batches.line import Claimed
from models.batches.pace import MAX_TRIES, Pace, wait_s
from models.errors import (
    BudgetExceeded,
    BudgetHeld,
    InvalidRequest,
    Overloaded,
    PolyvoxError,
    ProviderRateLimited,
    ProviderTimeout,
    ReplicaLost,
    UnknownPrice,
)


def _line(*, run: int = 1, tries: int = 0) -> Claimed:
    return Claimed(batch_id="b", number=1, run=run, tries=tries, key_id="k", url="/u", body=b"")


@pytest.mark.parametrize("kind", [InvalidRequest, BudgetExceeded, UnknownPrice])
def test_what_another_run_cannot_change_is_the_answer(kind: type[PolyvoxError]) -> None:
    assert wait_s(kind("no"), _line()) is None


@pytest.mark.parametrize("kind", [ReplicaLost, ProviderTimeout])
def test_what_may_have_cost_something_is_tried_a_few_times(kind: type[PolyvoxError]) -> None:
    assert wait_s(kind("no"), _line(tries=MAX_TRIES - 2)) is not None
    assert wait_s(kind("no"), _line(tries=MAX_TRIES - 1)) is None


@pytest.mark.parametrize("kind", [Overloaded, BudgetHeld, ProviderRateLimited])
def test_who_is_turned_away_waits_as_often_as_it_takes(kind: type[PolyvoxError]) -> None:
    wait = wait_s(kind("later"), _line(run=1_000, tries=MAX_TRIES))
    assert wait is not None
    assert 30 <= wait <= 60


def test_a_wait_is_as_long_as_the_provider_asks_for() -> None:
    wait = wait_s(ProviderRateLimited("later", retry_after_s=7), _line())
    assert wait is not None
    assert 7 < wait < 8


def test_a_round_that_is_turned_away_halves_the_pace_once() -> None:
    pace = Pace(16)
    for _ in range(1 + 8):
        pace.turned_away()
    assert pace.allowed == 8
    pace.turned_away()
    assert pace.allowed == 4


def test_answers_bring_the_pace_back() -> None:
    pace = Pace(16)
    for _ in range(40):
        pace.turned_away()
    assert pace.allowed == 1
    for _ in range(200):
        pace.answered()
    assert pace.allowed == 16
