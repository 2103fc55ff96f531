"""M-9: every price agrees with a reckoning in fractions that shares no code with it."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.money.oracle import TOKENS, Call
from tests.money.prices import EDGES, TIERS, Check, evaluations

CHECK = Check()

tokens = st.sampled_from(EDGES) | st.integers(min_value=0, max_value=2_000_000)
uses = st.integers(min_value=0, max_value=20)
calls = st.builds(
    Call,
    **dict.fromkeys(TOKENS, tokens),
    **dict.fromkeys(("searches", "fetches", "maps"), st.just(0) | uses),
    tier=st.sampled_from(TIERS),
    batch=st.booleans(),
)
days = st.dates(min_value=date(2025, 12, 1), max_value=date(2027, 3, 1))


@settings(max_examples=600, deadline=None)
@given(call=calls, day=days, basis_points=st.integers(min_value=0, max_value=10_000))
def test_m9_a_call_costs_what_the_oracle_says_at_every_model(
    call: Call, day: date, basis_points: int
) -> None:
    for model in CHECK.oracle.protocols:
        problem = CHECK.disagreement(model, day, call, basis_points)
        assert problem is None, f"{model}: {problem}"


def test_m9_the_long_run_draws_both_what_has_a_price_and_what_has_none() -> None:
    check = Check()
    drawn = evaluations(check, seed=20)
    assert [p for _ in range(2_000) if (p := check.disagreement(*next(drawn)))] == []
    assert min(check.outcomes["priced"], check.outcomes["unknown price"]) > 400
