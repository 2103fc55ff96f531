"""The proofs of money in their short forms; `make chaos` runs the long ones."""

import asyncio
import random

from tests.chaos import budgets, exactness, kills
from tests.chaos.goals import missed
from tests.chaos.system import System
from tests.serve.stack import Stack, wait_until

SEED = 1


def chance() -> random.Random:
    return random.Random(SEED)  # noqa: S311 - a run is to be repeatable


def test_p4_p9_kills_lose_and_double_nothing_and_leave_no_hold_open(stack: Stack) -> None:
    system = System(stack)
    found = asyncio.run(kills.play(system, kills=3, every_s=4.0, rate=15.0, chance=chance()))
    assert missed(found) == []
    wait_until(lambda: all(system.victims(role) for role in kills.ROLES), within_s=30)
    stack.wait_until_ready(within_s=30)


def test_m1_a_budget_is_never_overspent_and_hardly_left(stack: Stack) -> None:
    system, kinds = System(stack), budgets.quick()
    found = asyncio.run(
        budgets.play(system, kinds, rounds=len(kinds), parallel=60, kills=False, chance=chance())
    )
    assert missed(found) == []


def test_the_ledger_is_the_meter_and_near_it_where_clients_leave(stack: Stack) -> None:
    found = asyncio.run(exactness.play(System(stack), requests=60, aborts=20, chance=chance()))
    assert missed(found) == []
