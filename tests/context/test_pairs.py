"""A switch between any two providers keeps the answers to what is asked afterwards."""

import pytest

from tests.context.pairs import GOALS, PROVIDERS, accuracy, near, own

PAIRS = [(source, target) for source in PROVIDERS for target in PROVIDERS]


@pytest.mark.parametrize("share", sorted(GOALS))
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_answers_are_in_the_request_to_the_other(source: str, target: str, share: float) -> None:
    kept, whole = accuracy(own(), source, target, share=share)
    assert whole > 30
    assert kept >= GOALS[share] * whole


@pytest.mark.parametrize(
    ("nugget", "text", "found"),
    [
        ("the blue door", "He chose the door: blue, of course", True),
        ("1,480 euros", "quoted 1,480 euros", True),
        ("1,480 euros", "quoted 1,481 euros", False),
        ("blue door", f"blue {'word ' * 20} door", False),
    ],
)
def test_what_counts_as_found(nugget: str, text: str, found: bool) -> None:
    assert near(nugget, text) is found
