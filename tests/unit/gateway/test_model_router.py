"""Who is asked for a request that leaves it open: for whom, in which conversation, under whose policy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from models.caller import Caller
from models.catalog import Mode, load_catalog
from models.chat import ChatRequest, Message, Text
from models.conversing import Standing
from models.errors import (
    InvalidRequest,
    Overloaded,
    PaymentRequired,
    PermissionDenied,
    PolyvoxError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
    ReplicaLost,
)
from models.identity import Principal
from models.last_answer import LastAnswer
from models.ledger import UsageRecord
from models.model_router import ModelRouter
from models.routing import Plan
from models.routing.constraints import Constraints
from models.routing.decisions import Decision
from models.routing.feedback import Implied
from models.routing.performance import LivePerformance
from models.routing.policies import RoutingPolicy
from models.routing.policy import Incumbent
from models.routing.router import LearnedRouter, RuleRouter, Setting
from tests.ledger_samples import record

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
MODEL, OTHER = "gpt-6-sol", "claude-haiku-5-5"
ANN = Principal("key", "ann", "acme")


class Asked:
    """A router that remembers what it was asked, or fails."""

    def __init__(self, error: PolyvoxError | None = None) -> None:
        self.settings: list[Setting] = []
        self._error = error
        self._router = LearnedRouter(CATALOG, EVERY)

    async def plan(self, request: ChatRequest, mode: Mode, setting: Setting | None = None) -> Plan:
        assert setting is not None
        self.settings.append(setting)
        if self._error is not None:
            raise self._error
        return await self._router.plan(request, mode, setting)


class Fixed:
    def __init__(self, policy: RoutingPolicy) -> None:
        self._policy = policy

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        assert (tenant_id, key_id) == ("acme", "key")
        return self._policy


def caller(constraints: Constraints | None = None, conversation_id: str = "") -> Caller:
    return Caller(
        ANN,
        request_id="req",
        endpoint="/v1/chat/completions",
        conversation_id=conversation_id,
        routing=RoutingPolicy(constraints=constraints or Constraints()),
    )


def request(text: str = "hi", model: str = "auto") -> ChatRequest:
    return ChatRequest(model=model, messages=(Message("user", (Text(text),)),))


def standing(*, age_s: float = 10, locked_by: str | None = None, last_model: str = MODEL) -> Standing:
    return Standing(
        conversation_id="c",
        branch=1,
        version=2,
        model_id=MODEL,
        locked_by=locked_by,
        tokens=4_000,
        last=LastAnswer(
            request_id="before",
            model_id=last_model,
            question="How do I sort a list of tuples?",
            at=datetime.now(UTC) - timedelta(seconds=age_s),
        ),
    )


@pytest.mark.parametrize(
    ("stands", "incumbent"),
    [
        ({}, Incumbent(model_id=MODEL, cached_tokens=4_000)),
        ({"age_s": 400}, Incumbent(model_id=MODEL)),
        ({"last_model": OTHER}, Incumbent(model_id=MODEL)),
        ({"locked_by": OTHER}, Incumbent(model_id=OTHER, locked=True)),
    ],
    ids=["warm", "cold", "switched since", "its tools are under way"],
)
async def test_the_router_knows_the_conversation(stands: dict[str, Any], incumbent: Incumbent) -> None:
    asked, by = Asked(), caller(conversation_id="c")
    await ModelRouter(asked).route_request(request(), "balanced", by, standing(**stands))
    [setting] = asked.settings
    assert setting.incumbent == incumbent
    assert (setting.user_id, setting.key, setting.history_tokens) == ("ann", "c", 4_000)
    assert setting.asked_before == "How do I sort a list of tuples?"


async def test_policies_of_request_and_key_both_hold() -> None:
    asked = Asked()
    policy = RoutingPolicy(
        constraints=Constraints(models=frozenset({MODEL, OTHER}), max_cost_pico=10**12), exploration=0.01
    )
    router = ModelRouter(asked, policies=Fixed(policy))
    mine = Constraints(models=frozenset({OTHER, "gpt-6-luna"}), max_cost_pico=10**13)
    plan = await router.route_request(request(), "balanced", caller(mine))
    [setting] = asked.settings
    assert setting.constraints.models == frozenset({OTHER})
    assert setting.constraints.max_cost_pico == 10**12
    assert setting.exploration == 0.01
    assert [one.model_id for one in plan.candidates] == [OTHER]


@pytest.mark.parametrize(
    ("constraints", "error"),
    [
        (Constraints(hosts=frozenset({"nobody"})), PermissionDenied),
        (Constraints(regions=frozenset({"local"})), PermissionDenied),
        (Constraints(max_cost_pico=1), PaymentRequired),
    ],
)
@pytest.mark.parametrize("lost", [None, ReplicaLost("gone")], ids=["router", "rule"])
async def test_nobody_is_asked_against_a_policy_whoever_decides(
    constraints: Constraints, error: type[PolyvoxError], lost: PolyvoxError | None
) -> None:
    told: list[Decision] = []
    router = ModelRouter(Asked(lost), rule=RuleRouter(CATALOG, EVERY), decided=told.append)
    with pytest.raises(error):
        await router.route_request(request(), "balanced", caller(constraints))
    assert told == []


async def test_a_router_that_cannot_be_reached_is_replaced_by_the_rule() -> None:
    router = ModelRouter(Asked(Overloaded("busy")), rule=RuleRouter(CATALOG, EVERY))
    plan = await router.route_request(request(), "cheap", caller())
    assert plan.candidates[0].tier == "small"
    locked = await router.route_request(request(), "cheap", caller(), standing(locked_by=MODEL))
    assert ([one.model_id for one in locked.candidates], locked.seat) == ([MODEL], "locked")
    with pytest.raises(Overloaded):
        await ModelRouter(Asked(Overloaded("busy"))).route_request(request(), "cheap", caller())


async def test_what_is_wrong_with_a_request_is_no_reason_to_decide_by_the_rule() -> None:
    router = ModelRouter(Asked(InvalidRequest("too deep")), rule=RuleRouter(CATALOG, EVERY))
    with pytest.raises(InvalidRequest):
        await router.route_request(request(), "cheap", caller())


async def test_a_decision_is_told_and_a_recommendation_is_not() -> None:
    told: list[Decision] = []
    asked = Asked()
    router = ModelRouter(asked, decided=told.append)
    await router.get_recommendations(request(), "quality", caller())
    assert told == []
    assert asked.settings[0].exploration == 0
    plan = await router.route_request(request(), "quality", caller())
    [decision] = told
    assert decision.plan == plan
    assert (decision.tenant_id, decision.user_id, decision.key_id) == ("acme", "ann", "key")
    assert (decision.request_id, decision.conversation_id) == ("req", None)


async def test_a_model_that_is_named_is_held_to_the_policy_too() -> None:
    policy = RoutingPolicy(constraints=Constraints(denied_models=frozenset({MODEL})))
    router = ModelRouter(Asked(), policies=Fixed(policy))
    with pytest.raises(PermissionDenied, match=MODEL):
        await router.check_access(CATALOG.models[MODEL], caller())
    await router.check_access(CATALOG.models[OTHER], caller())


@pytest.mark.parametrize(
    ("said", "model", "age_s", "signal"),
    [
        ("how do i sort a list of tuples please?", "auto", 10, "asked_again"),
        ("how do i sort a list of tuples please?", "auto", 1_000, "went_on"),
        ("And what does that cost?", "auto:cheap", 10, "went_on"),
        ("And what does that cost?", MODEL, 10, "went_on"),
        ("And what does that cost?", OTHER, 10, "switched_away"),
    ],
)
def test_the_next_turn_says_how_an_answer_was_taken(said: str, model: str, age_s: float, signal: str) -> None:
    told: list[Implied] = []
    ModelRouter(Asked(), taken=told.append).followed(
        standing(age_s=age_s), request(said, model), caller(conversation_id="c")
    )
    assert [(one.request_id, one.signal, one.user_id) for one in told] == [("before", signal, "ann")]


def test_tools_that_answer_say_nothing_of_how_an_answer_was_taken() -> None:
    told: list[Implied] = []
    router = ModelRouter(Asked(), taken=told.append)
    results = ChatRequest(model="auto", messages=(Message("tool", ()),))
    router.followed(standing(), results, caller())
    router.followed(replace(standing(), last=None), request(), caller())
    assert told == []


@pytest.mark.parametrize(
    ("status", "first_token_ms", "error", "state", "calls"),
    [
        ("completed", 300, None, "available", 3),
        ("cancelled", 300, None, "available", 3),
        ("cancelled", None, None, "available", 0),
        ("failed", None, ProviderRefused("no"), "available", 0),
        ("failed", None, ReplicaLost("gone"), "available", 0),
        ("failed", None, ProviderUnavailable("away"), "degraded", 3),
        ("failed", None, ProviderRateLimited("slow down", retry_after_s=30), "unavailable", 3),
    ],
)
def test_attempts_tell_how_a_model_does(
    status: str, first_token_ms: int | None, error: PolyvoxError | None, state: str, calls: int
) -> None:
    router = ModelRouter(Asked(), performance=LivePerformance(lambda: 1_000.0))
    ended: UsageRecord = replace(
        record(), model_id=MODEL, status=status, first_token_ms=first_token_ms, stream=True
    )
    for _ in range(3):
        router.attempted(ended, error)
    told = router.check_model_availability(MODEL)
    assert (told.state, round(told.calls)) == (state, calls)


@pytest.mark.parametrize(("first_token_ms", "signals"), [(None, []), (20, ["abandoned"])])
def test_who_leaves_an_answer_that_has_begun_has_given_it_up(
    first_token_ms: int | None, signals: list[str]
) -> None:
    told: list[Implied] = []
    left = replace(record(), status="cancelled", first_token_ms=first_token_ms, user_id="ann")
    ModelRouter(Asked(), taken=told.append).abandoned(left)
    assert [one.signal for one in told] == signals
