"""The counters' rule: GCRA in chunks, and places for what is under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.limits.counters import Ask, Grant, Hold, hold, take

SECOND = 1e6


def ask(*, per_minute: int = 60, burst: int = 10, **fields: int) -> Ask:
    return Ask(key="k", interval_us=60e6 / per_minute, burst=burst, **fields)


@pytest.mark.parametrize(
    ("ahead_s", "asked", "granted", "remaining", "retry_s"),
    [
        (0, ask(need=1, sure=1), 1, 9, 0),
        (0, ask(need=10, sure=10), 10, 0, 0),
        (10, ask(need=1, sure=1), 0, 0, 1),
        (9, ask(need=1, sure=1), 1, 0, 0),
        (9.5, ask(need=1, sure=1), 0, 0, 0.5),
        (5, ask(need=1, sure=3), 3, 2, 0),
        (5, ask(need=1, sure=50), 5, 0, 0),
        (2, ask(need=1, sure=1, want=50), 2, 6, 0),
        (2, ask(want=50), 2, 6, 0),
        (2, ask(), 0, 8, 0),
        (10, ask(credit=3, need=1, sure=1), 1, 2, 0),
        (2, ask(credit=30, need=10, sure=10), 10, 0, 0),
        (2, ask(credit=-4, need=1, sure=1), 1, 3, 0),
        (10, ask(credit=-5, need=1, sure=1), 0, 0, 6),
        (0, ask(credit=-500, need=1, sure=1), 0, 0, 11),
    ],
)
def test_a_take(ahead_s: float, asked: Ask, granted: int, remaining: int, retry_s: float) -> None:
    now = 1_000 * SECOND
    tat, grant = take(now + ahead_s * SECOND, now, asked)
    assert (grant.granted, grant.remaining, grant.retry_us) == (granted, remaining, retry_s * SECOND)
    assert grant.ahead_us == tat - now


@given(
    per_minute=st.integers(1, 10**13),
    burst=st.integers(1, 10**13),
    steps=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**13), st.booleans()), max_size=40),
)
def test_never_more_than_the_burst_and_what_came_back(
    per_minute: int, burst: int, steps: list[tuple[int, int, bool]]
) -> None:
    start = now = 0.0
    tat, granted = now, 0
    for wait_us, wanted, is_sure in steps:
        now += wait_us
        need = min(wanted, burst)
        fields = {"need": need, "sure": wanted} if is_sure else {"want": wanted}
        tat, grant = take(tat, now, ask(per_minute=per_minute, burst=burst, **fields))
        granted += grant.granted
        came_back = (now - start) * per_minute / 60e6
        assert granted <= (burst + came_back) * (1 + 1e-9) + 0.01
        assert grant.granted == 0 or grant.granted >= min(need, burst) or not is_sure
        assert grant.retry_us == 0 or grant.granted == 0


@given(per_minute=st.integers(1, 10**6), burst=st.integers(1, 1_000), need=st.integers(1, 1_000))
def test_a_refusal_tells_when_it_would_not_be_one(per_minute: int, burst: int, need: int) -> None:
    need = min(need, burst)
    tat, now = take(0.0, 0.0, ask(per_minute=per_minute, burst=burst, need=burst, sure=burst))[0], 0.0
    _, refused = take(tat, now, ask(per_minute=per_minute, burst=burst, need=need, sure=need))
    assert refused.granted == 0
    _, admitted = take(
        tat, now + refused.retry_us, ask(per_minute=per_minute, burst=burst, need=need, sure=need)
    )
    assert admitted.granted == need


@pytest.mark.parametrize(
    ("others", "kept", "sure", "want", "grant"),
    [
        (0, 0, 1, 1, Grant(1, 9)),
        (0, 0, 1, 9, Grant(2, 8)),
        (0, 0, 5, 5, Grant(5, 5)),
        (9, 0, 1, 1, Grant(1, 0)),
        (10, 0, 1, 1, Grant(0, 0)),
        (8, 2, 3, 3, Grant(2, 0)),
        (9, 3, 4, 4, Grant(3, 0)),
        (0, 0, 0, 0, Grant(0, 10)),
    ],
)
def test_places(others: int, kept: int, sure: int, want: int, grant: Grant) -> None:
    assert hold(others, Hold(key="k", most=10, kept=kept, sure=sure, want=want)) == grant
