"""When a breaker opens, how long for, who may probe, and when it closes."""

from collections.abc import Callable

import pytest

from models.breaker import (
    EARLY_PROBE_S,
    IN_A_ROW,
    LEAST_CALLS,
    MAX_OPEN_S,
    MAX_TOLD_S,
    OPEN_S,
    Breaker,
    Passage,
)
from tests.unit.resilience.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock, draw=lambda: 0.5)


def enter(breaker: Breaker, slow_after_s: float = 2.0) -> Passage:
    return breaker.enter(slow_after_s=slow_after_s)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        enter(breaker).fails()


def opened(breaker: Breaker) -> Breaker:
    fail(breaker, IN_A_ROW)
    assert breaker.state == "open"
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not(breaker: Breaker) -> None:
    fail(breaker, IN_A_ROW - 1)
    enter(breaker).succeeds()
    fail(breaker, IN_A_ROW - 1)
    assert (breaker.state, breaker.wait_s()) == ("closed", 0.0)
    fail(breaker)
    assert (breaker.state, breaker.wait_s(), breaker.reason) == ("open", OPEN_S, "failures")


def test_an_answer_that_has_begun_ends_a_row_of_failures(breaker: Breaker) -> None:
    long_answer = enter(breaker)
    fail(breaker, IN_A_ROW - 1)
    long_answer.begins()
    fail(breaker)
    assert breaker.state == "closed"


def test_answers_that_all_break_off_open_it_though_they_begin(breaker: Breaker) -> None:
    for _ in range(IN_A_ROW):
        passage = enter(breaker)
        passage.begins()
        passage.fails()
    assert breaker.state == "open"


@pytest.mark.parametrize(("failures", "state"), [(9, "closed"), (10, "open")])
def test_half_of_twenty_failures_within_ten_seconds_open_it(
    breaker: Breaker, clock: Clock, failures: int, state: str
) -> None:
    for at in range(LEAST_CALLS):
        passage = enter(breaker)
        passage.fails() if at % 2 and at // 2 < failures else passage.succeeds()
        clock.pass_(0.3)
    assert breaker.state == state


def test_failures_that_are_long_ago_do_not_count(breaker: Breaker, clock: Clock) -> None:
    for at in range(LEAST_CALLS - 1):
        passage = enter(breaker)
        passage.fails() if at % 2 else passage.succeeds()
    clock.pass_(11)
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_calls_that_succeed_slowly_open_it_as_slow(breaker: Breaker, clock: Clock) -> None:
    """Many at once, so that the window is not over before they are many."""
    passages = [enter(breaker) for _ in range(2 * LEAST_CALLS)]
    for passage in passages[:LEAST_CALLS]:
        passage.succeeds()
    assert breaker.state == "closed"
    clock.pass_(2.1)
    for passage in passages[LEAST_CALLS:]:
        passage.succeeds()
    assert (breaker.state, breaker.reason) == ("open", "slow")


def test_u2_calls_that_hang_open_it_before_any_of_them_fails(breaker: Breaker, clock: Clock) -> None:
    for _ in range(IN_A_ROW):
        enter(breaker, slow_after_s=1.5)
        clock.pass_(0.1)
    clock.pass_(0.8)
    assert breaker.wait_s() == 0
    clock.pass_(0.7)
    assert breaker.wait_s() == OPEN_S
    assert breaker.reason == "slow"


def test_one_sign_of_life_and_nothing_hangs(breaker: Breaker, clock: Clock) -> None:
    passages = [enter(breaker) for _ in range(IN_A_ROW + 3)]
    clock.pass_(1.0)
    passages[-1].begins()
    clock.pass_(5.0)
    assert breaker.wait_s() == 0


def test_whoever_leaves_says_nothing(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3 * IN_A_ROW):
        enter(breaker).leaves()
    clock.pass_(10)
    assert breaker.wait_s() == 0


def test_half_open_lets_a_single_probe_through(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.pass_(OPEN_S)
    assert (breaker.state, breaker.wait_s()) == ("half_open", 0.0)
    probe = enter(breaker)
    assert breaker.wait_s() > 0
    probe.begins()
    assert (breaker.state, breaker.wait_s()) == ("closed", 0.0)


def test_each_probe_that_fails_keeps_it_open_for_longer_up_to_a_minute(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    times = []
    for _ in range(6):
        times.append(breaker.open_s)
        clock.pass_(breaker.open_s)
        fail(breaker)
    assert times == [5, 10, 20, 40, 60, 60]
    assert breaker.open_s == MAX_OPEN_S
    clock.pass_(MAX_OPEN_S)
    enter(breaker).succeeds()
    assert opened(breaker).open_s == OPEN_S


def test_a_probe_that_is_left_gives_its_place_to_the_next(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.pass_(OPEN_S)
    enter(breaker).leaves()
    assert breaker.wait_s() == 0
    enter(breaker)
    clock.pass_(100)  # and one of which nothing is heard does in time
    assert breaker.wait_s() == 0


def test_calls_from_before_it_opened_neither_close_it_nor_count_afterwards(
    breaker: Breaker, clock: Clock
) -> None:
    early = [enter(breaker) for _ in range(2 * IN_A_ROW)]
    opened(breaker)
    early.pop().succeeds()
    assert breaker.wait_s() == OPEN_S
    clock.pass_(OPEN_S)
    enter(breaker).succeeds()
    for passage in early:
        passage.fails()
    assert breaker.state == "closed"


def test_where_there_is_nobody_else_it_is_asked_all_the_same(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    assert (breaker.wait_s(), breaker.wait_s(last=True)) == (OPEN_S, 0.0)
    clock.pass_(1.0)
    enter(breaker).fails()
    assert breaker.open_s == OPEN_S - 1.0  # it came before its time: that changes nothing
    enter(breaker).begins()
    assert breaker.state == "closed"


def test_a_model_that_is_slow_is_asked_where_there_is_nobody_else(breaker: Breaker, clock: Clock) -> None:
    for _ in range(IN_A_ROW):
        enter(breaker)
    clock.pass_(2)
    assert breaker.wait_s() > 0
    for _ in range(3):
        assert breaker.wait_s(last=True) == 0
        enter(breaker)
    clock.pass_(1)
    enter(breaker).begins()
    assert breaker.state == "closed"


def test_u1_a_retry_after_shuts_it_for_that_long_and_is_no_failure(breaker: Breaker, clock: Clock) -> None:
    for _ in range(2 * IN_A_ROW):
        enter(breaker).fails(told_s=3)
    assert (breaker.state, breaker.reason) == ("open", None)
    assert breaker.wait_s() == 3
    clock.pass_(3)
    assert (breaker.state, breaker.wait_s()) == ("closed", 0.0)


def test_u1_where_there_is_nobody_else_one_call_a_second_is_made_before_the_time_that_was_told(
    breaker: Breaker, clock: Clock
) -> None:
    """The limit may have been one for large requests."""
    enter(breaker).fails(told_s=20)
    assert breaker.wait_s(last=True) == EARLY_PROBE_S
    clock.pass_(EARLY_PROBE_S)
    assert (breaker.wait_s(last=True), breaker.wait_s()) == (0, 19)
    small = enter(breaker)
    assert 0 < breaker.wait_s(last=True) < EARLY_PROBE_S
    small.begins()
    assert breaker.wait_s() == 0


def test_u1_but_nobody_waits_for_that_where_the_provider_says_it_again(
    breaker: Breaker, clock: Clock
) -> None:
    enter(breaker).fails(told_s=20)
    clock.pass_(EARLY_PROBE_S)
    enter(breaker).fails(told_s=19)
    assert breaker.wait_s(last=True) == 19
    clock.pass_(EARLY_PROBE_S)
    assert breaker.wait_s(last=True) == 0
    clock.pass_(20)
    enter(breaker).fails(told_s=20)  # that is another time
    assert breaker.wait_s(last=True) == EARLY_PROBE_S


def test_a_failure_of_a_call_made_too_early_is_one_all_the_same(breaker: Breaker, clock: Clock) -> None:
    enter(breaker).fails(told_s=60)
    for _ in range(IN_A_ROW):
        assert breaker.reason is None
        clock.pass_(EARLY_PROBE_S)
        fail(breaker)
    assert breaker.reason == "failures"


def test_a_retry_after_is_bounded(breaker: Breaker) -> None:
    enter(breaker).fails(told_s=86_400)
    assert breaker.open_s == MAX_TOLD_S


def test_a_hint_opens_it_at_the_next_failure(breaker: Breaker, clock: Clock) -> None:
    breaker.hinted_until = clock.now + 5
    assert breaker.wait_s() == 0
    fail(breaker)
    assert breaker.state == "open"


def test_a_passage_ends_once(breaker: Breaker) -> None:
    passage = enter(breaker)
    passage.succeeds()
    for _ in range(2 * IN_A_ROW):
        passage.fails()
    assert breaker.state == "closed"


def test_what_it_keeps_is_bounded(breaker: Breaker, clock: Clock) -> None:
    for _ in range(5_000):
        enter(breaker).succeeds()
        clock.pass_(0.5)
    assert len(breaker._counts) <= 12
    assert len(breaker._silent) == 0


@pytest.mark.parametrize("how", [Passage.succeeds, Passage.fails, Passage.leaves])
def test_a_call_that_ended_is_remembered_nowhere(breaker: Breaker, how: Callable[[Passage], None]) -> None:
    how(enter(breaker))
    assert breaker._silent == []
