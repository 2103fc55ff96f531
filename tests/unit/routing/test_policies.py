"""What tenants and keys ask of the router, kept in memory."""

import asyncio

import pytest

from models.errors import Overloaded
from models.routing.constraints import Constraints
from models.routing.policies import RememberedPolicies, RoutingPolicy
from models.routing.weights import Weights

EU = RoutingPolicy(constraints=Constraints(regions=frozenset({"eu"})))


class Store:
    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        del tenant_id, key_id
        self.asked += 1
        await self.may_answer.wait()
        if self.away:
            raise Overloaded("the database is away")
        return EU


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


async def test_a_policy_is_looked_up_once_for_all_who_wait_and_again_when_it_is_old(store: Store) -> None:
    clock = Clock()
    policies = RememberedPolicies(store, clock=clock)
    store.may_answer.clear()
    waiting = [asyncio.create_task(policies.of("t", "k")) for _ in range(5)]
    await asyncio.sleep(0)
    store.may_answer.set()
    assert await asyncio.gather(*waiting) == [EU] * 5
    assert store.asked == 1
    clock.now = RememberedPolicies.FRESH_S + 1
    assert await policies.of("t", "k") == EU
    assert store.asked == 2


async def test_a_policy_holds_on_while_the_store_is_away_but_not_for_ever(store: Store) -> None:
    clock = Clock()
    policies = RememberedPolicies(store, clock=clock)
    await policies.of("t", "k")
    store.away = True
    clock.now = RememberedPolicies.KEPT_S - 1
    assert await policies.of("t", "k") == EU
    clock.now = RememberedPolicies.KEPT_S + 1
    with pytest.raises(Overloaded):
        await policies.of("t", "k")


async def test_nobody_is_let_through_whose_policy_is_not_known(store: Store) -> None:
    store.away = True
    with pytest.raises(Overloaded):
        await RememberedPolicies(store, clock=Clock()).of("t", "k")


async def test_who_leaves_does_not_end_the_look_up_for_others(store: Store) -> None:
    policies = RememberedPolicies(store, clock=Clock())
    store.may_answer.clear()
    leaving, staying = (asyncio.create_task(policies.of("t", "k")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    store.may_answer.set()
    assert await staying == EU


async def test_only_so_many_are_remembered(store: Store) -> None:
    policies = RememberedPolicies(store, clock=Clock())
    policies.MAX_KEYS = 2
    for key in "abc":
        await policies.of("t", key)
    await policies.of("t", "a")
    assert store.asked == 4


def test_a_key_narrows_its_tenants_policy_and_never_loosens_it() -> None:
    tenant = RoutingPolicy(
        weights=Weights(cost=2), constraints=Constraints(max_cost_pico=5), exploration=0.01
    )
    key = RoutingPolicy(constraints=Constraints(max_cost_pico=9, no_training=True), exploration=0.05)
    both = key.within(tenant)
    assert both.weights == Weights(cost=2)
    assert (both.constraints.max_cost_pico, both.constraints.no_training) == (5, True)
    assert both.exploration == 0.01
