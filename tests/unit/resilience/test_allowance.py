"""What is extra is a share of all requests, and never nothing."""

from models.allowance import Allowance
from tests.unit.resilience.clock import Clock


def taken(allowance: Allowance, times: int) -> int:
    return sum(allowance.take() for _ in range(times))


def test_a_share_of_requests_beyond_what_was_there_at_first() -> None:
    allowance = Allowance(0.2, at_first=10, most=500, clock=Clock())
    assert taken(allowance, 100) == 10
    got = 0
    for _ in range(1_000):
        allowance.earn()
        got += taken(allowance, 1)
    assert 199 <= got <= 200


def test_what_is_not_used_is_kept_up_to_a_ceiling() -> None:
    allowance = Allowance(0.2, at_first=0, most=50, clock=Clock())
    for _ in range(10_000):
        allowance.earn()
    assert taken(allowance, 1_000) == 50


def test_some_come_back_even_where_there_are_hardly_any_requests() -> None:
    clock = Clock()
    allowance = Allowance(0.2, at_first=3, most=500, least=3, within_s=10, clock=clock)
    assert taken(allowance, 9) == 3
    for _ in range(10):
        clock.pass_(10)
        assert taken(allowance, 9) == 3
    clock.pass_(3.4)
    assert taken(allowance, 9) == 1
