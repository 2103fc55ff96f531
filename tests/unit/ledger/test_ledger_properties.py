"""Whatever happens to a ledger, it says what a plain list of what happened says.

The long form is `python -m tests.money.sequences`.
"""

from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.money.cases import CASES
from tests.money.histories import Author, History, ModelUnderTest, play
from tests.money.memory_ledger import MemoryUnderTest
from tests.money.sequences import TENANT, run

T = TypeVar("T")


class HypothesisDraw:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


@st.composite
def histories(draw: st.DrawFn) -> History:
    return Author(HypothesisDraw(draw), TENANT).history()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
async def test_m1_m4_m5_m9_the_ledger_says_what_a_list_of_what_happened_says(history: History) -> None:
    await play(history, ModelUnderTest(history.limits), MemoryUnderTest(history.limits))


@pytest.mark.parametrize("case", CASES)
async def test_m5_a_rare_history_ends_as_it_should(case: str) -> None:
    history = CASES[case]
    await play(history, ModelUnderTest(history.limits), MemoryUnderTest(history.limits))


async def test_the_long_form_in_short() -> None:
    assert await run(2_000, seed=1) > 2_000
