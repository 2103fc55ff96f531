"""The router that learns, over doubles of what it is told by others."""

import random
from collections.abc import Sequence

from models.catalog import load_catalog
from models.chat import ChatRequest, Message, Text
from models.errors import Overloaded
from models.routing.expectation import Performance
from models.routing.learner import Learned, Outcome, absorb
from models.routing.policy import Incumbent
from models.routing.preferences import Taste
from models.routing.router import LearnedRouter, Setting
from models.routing.task import TaskPrediction
from models.routing.weights import Weights

CATALOG = load_catalog()
ALL = frozenset(CATALOG.models)
REQUEST = ChatRequest(model="auto", messages=(Message("user", (Text("Sort this list."),)),))
STILL = Setting(exploration=0.0)
CODE = TaskPrediction(task="code", confidence=0.97)


async def _code(_: Sequence[Message], __: str) -> TaskPrediction:
    return CODE


async def _away(_: Sequence[Message], __: str) -> TaskPrediction:
    raise Overloaded("too many texts wait")


async def test_the_task_of_the_classifier_decides() -> None:
    plan = await LearnedRouter(CATALOG, ALL, classify=_code).plan(REQUEST, "balanced", STILL)
    assert (plan.task, plan.task_confidence) == ("code", 0.97)
    assert plan.decision_id.startswith("dec_")


async def test_without_a_classifier_it_decides_all_the_same() -> None:
    plan = await LearnedRouter(CATALOG, ALL, classify=_away).plan(REQUEST, "balanced", STILL)
    assert plan.candidates
    assert plan.task_confidence == 0.1


async def test_what_was_learned_holds_from_the_next_decision_on() -> None:
    router = LearnedRouter(CATALOG, ALL, classify=_code)
    before = (await router.plan(REQUEST, "balanced", STILL)).candidates[0].model_id
    router.learn(absorb(Learned(), [Outcome(model_id=before, task="code", reward=0.0)] * 60))
    after = (await router.plan(REQUEST, "balanced", STILL)).candidates[0].model_id
    assert after != before


async def test_who_is_away_is_asked_last() -> None:
    live: dict[str, Performance] = {}
    router = LearnedRouter(CATALOG, ALL, classify=_code, performance=lambda: live)
    first = (await router.plan(REQUEST, "balanced", STILL)).candidates[0].model_id
    live[first] = Performance(first_token_ms=500, tokens_per_s=100, availability=0.0)
    assert (await router.plan(REQUEST, "balanced", STILL)).candidates[-1].model_id == first


async def test_a_user_is_known_by_their_taste() -> None:
    async def first(user_id: str) -> str:
        plan = await router.plan(REQUEST, "balanced", Setting(user_id=user_id, exploration=0.0))
        return plan.candidates[0].model_id

    def tastes(user_id: str) -> list[Taste]:
        if user_id != "ann":
            return []
        return [Taste(model_id="gpt-6-luna", task="code", weight=30, gain=15, updated_at=4e9)]

    router = LearnedRouter(CATALOG, ALL, classify=_code, tastes=tastes)
    assert await first("ann") == "gpt-6-luna"
    assert await first("bob") == await first("") != "gpt-6-luna"


async def test_weights_of_the_request_go_before_those_of_the_mode() -> None:
    router = LearnedRouter(CATALOG, ALL, classify=_code)
    setting = Setting(weights=Weights(cost=500.0), exploration=0.0)
    assert (await router.plan(REQUEST, "quality", setting)).candidates[0].tier == "small"


async def test_it_explores_now_and_then_but_not_in_conversations() -> None:
    router = LearnedRouter(CATALOG, ALL, classify=_code, rng=random.Random(3))  # noqa: S311
    plans = [await router.plan(REQUEST, "balanced") for _ in range(1_500)]
    assert 0 < sum(plan.explored for plan in plans) < 0.07 * len(plans)
    assert min(max(c.propensity for c in plan.candidates) for plan in plans) >= 0.95
    assert all(sum(c.propensity for c in plan.candidates) < 1.001 for plan in plans)
    held = Setting(incumbent=Incumbent(model_id="gpt-6.1-sol"))
    assert not any([(await router.plan(REQUEST, "balanced", held)).explored for _ in range(300)])
