"""What of a difference is drift, and what only a matter of when a call was counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reconcile.comparison import (
    NOTHING,
    Comparison,
    Range,
    compare,
    is_alarming,
    is_explained_by_estimates,
    settle_hair,
)

USD = 10**12


@pytest.mark.parametrize(
    ("ledger", "provider", "carried", "edge", "expected"),
    [
        (10, 10, NOTHING, NOTHING, Comparison(0, NOTHING)),
        (10, 12, NOTHING, NOTHING, Comparison(2, NOTHING)),
        (12, 10, NOTHING, NOTHING, Comparison(-2, NOTHING)),
        # A call of 4 that began here is billed in the next bucket, or not.
        (14, 10, NOTHING, Range(0, 4), Comparison(0, Range(4, 4))),
        (14, 14, NOTHING, Range(0, 4), Comparison(0, NOTHING)),
        (14, 9, NOTHING, Range(0, 4), Comparison(-1, Range(4, 4))),
        # It comes in the next one, or never does, or another comes too.
        (10, 14, Range(4, 4), NOTHING, Comparison(0, NOTHING)),
        (10, 10, Range(4, 4), NOTHING, Comparison(-4, NOTHING)),
        (10, 15, Range(4, 4), NOTHING, Comparison(1, NOTHING)),
        # The provider's clock is ahead: it counts here what the ledger counts in the next bucket.
        (10, 13, NOTHING, Range(-3, 0), Comparison(0, Range(-3, -3))),
        (13, 10, Range(-3, -3), NOTHING, Comparison(0, NOTHING)),
        # Of a first bucket it is not known what was carried into it.
        (10, 12, Range(0, 5), NOTHING, Comparison(0, NOTHING)),
        (10, 17, Range(0, 5), NOTHING, Comparison(2, NOTHING)),
    ],
)
def test_m10_what_fits_between_the_bounds_is_no_drift(
    ledger: int, provider: int, carried: Range, edge: Range, expected: Comparison
) -> None:
    assert compare(ledger, provider, carried=carried, edge=edge) == expected


Calls = list[tuple[int, int, bool, bool]]
"""(bucket, cost, whether it lasts into the next bucket, whether the provider counts it at its end)."""


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10**9), st.booleans(), st.booleans()), max_size=30)
)
def test_m10_wherever_providers_count_calls_at_edges_nothing_drifts(calls: Calls) -> None:
    for drift in _drifts(calls, lost=0):
        assert drift == 0


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10**9), st.booleans(), st.booleans()), max_size=30),
    st.integers(1, 10**9),
)
def test_m10_a_difference_comes_out_whole_once_no_call_is_at_an_edge(calls: Calls, lost: int) -> None:
    """However many calls cross edges, they hide nothing for good."""
    assert sum(_drifts(calls, lost=lost)) == -lost


def _drifts(calls: Calls, *, lost: int) -> list[int]:
    """Bucket by bucket. `lost` is in the first one's ledger, never billed; the last one ends with no call."""
    carried, drifts = NOTHING, []
    for bucket in range(6):
        ledger = sum(cost for begun, cost, _, _ in calls if begun == bucket) + (lost if bucket == 0 else 0)
        provider = sum(cost for begun, cost, late, at_end in calls if begun + (late and at_end) == bucket)
        edge = Range(0, sum(cost for begun, cost, late, _ in calls if late and begun == bucket))
        drift, carried = compare(ledger, provider, carried=carried, edge=edge)
        drifts.append(drift)
    return drifts


@pytest.mark.parametrize(
    ("drift", "ledger", "provider", "alarming"),
    [
        (0, 0, 0, False),
        (1, 0, 1, True),
        (1, 1_000, 1_001, False),
        (2, 1_000, 1_002, True),
        (-1, 1_000, 999, True),
        (-1, 1_001, 1_000, False),
        (USD, 1_000 * USD, 999 * USD, True),
    ],
)
def test_m10_an_alarm_is_a_thousandth(drift: int, ledger: int, provider: int, alarming: bool) -> None:
    assert is_alarming(drift, ledger, provider) is alarming


@pytest.mark.parametrize(
    ("ledger", "estimated", "provider", "explained"),
    [(10, 4, 6, True), (10, 4, 14, True), (10, 4, 15, False), (10, 4, 5, False), (10, 0, 10, False)],
)
def test_m10_estimates_explain_from_nothing_to_twice_what_they_were(
    ledger: int, estimated: int, provider: int, explained: bool
) -> None:
    assert is_explained_by_estimates(ledger, estimated, provider) is explained


@pytest.mark.parametrize(
    ("reported", "expected", "settled"),
    [
        (5 * USD + 3, 5 * USD, 5 * USD),
        (5 * USD - 5_000, 5 * USD, 5 * USD),
        (5 * USD + 5_001, 5 * USD, 5 * USD + 5_001),
        (8, 7, 7),
        (9, 7, 9),
    ],
)
def test_m10_roundings_of_floating_point_are_no_difference(
    reported: int, expected: int, settled: int
) -> None:
    assert settle_hair(reported, expected) == settled
