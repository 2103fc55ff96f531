"""Who is to answer: what always holds, what is weighed, and when a conversation changes its model."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.catalog import Catalog, Mode, load_catalog
from models.chat import Tool
from models.routing.choose import choose
from models.routing.constraints import Constraints
from models.routing.expectation import Performance
from models.routing.learner import Learned, Outcome, absorb
from models.routing.plan import Dropped, Plan
from models.routing.policy import Incumbent
from models.routing.quality import QualityPriors
from models.routing.task import TASKS, Task, TaskPrediction, unknown_task
from models.routing.weights import Weights
from tests.unit.routing.conditions import ALL, catalogue, decided, ids, question, request, task


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalogue(tmp_path_factory.mktemp("catalog"))


@pytest.mark.parametrize(
    ("mode", "first"),
    [("cheap", "small"), ("fast", "small"), ("balanced", "mid"), ("quality", "flag")],
)
def test_each_mode_has_its_kind_of_model(catalog: Catalog, mode: Mode, first: str) -> None:
    plan = decided(catalog, question(mode=mode))
    assert ids(plan)[0] == first
    assert set(ids(plan)) == ALL - {"hidden"}
    assert all(candidate.reason for candidate in plan.candidates)


def test_the_bundled_catalogue_has_a_tier_for_each_mode() -> None:
    bundled = load_catalog()
    tiers: dict[Mode, str] = {}
    modes: tuple[Mode, ...] = ("cheap", "balanced", "quality")
    for mode in modes:
        (first,) = choose(["hello"], [m.id for m in bundled.models.values() if m.auto], mode)
        tiers[mode] = bundled.models[first].tier
    assert tiers == {"cheap": "small", "balanced": "mid", "quality": "flagship"}


@pytest.mark.parametrize(
    ("constraints", "left", "drop"),
    [
        (
            {"models": frozenset({"small", "hidden"})},
            {"small", "hidden"},
            Dropped(model_id="mid", reason="not_allowed"),
        ),
        (
            {"denied_models": frozenset({"mid"})},
            {"small", "twin", "flag"},
            Dropped(model_id="mid", reason="not_allowed"),
        ),
        ({"hosts": frozenset({"openai"})}, {"mid"}, Dropped(model_id="flag", reason="not_allowed")),
        ({"regions": frozenset({"eu"})}, {"flag"}, Dropped(model_id="mid", reason="region")),
        ({"no_training": True}, {"mid", "flag"}, Dropped(model_id="small", reason="data_policy")),
        ({"max_retention_days": 0}, {"flag"}, Dropped(model_id="mid", reason="data_policy")),
        (
            {"max_cost_pico": 10**10},
            {"small", "mid", "twin"},
            Dropped(model_id="flag", reason="too_expensive"),
        ),
        (
            {"capabilities": frozenset({"vision"})},
            set(),
            Dropped(model_id="mid", reason="missing_capability", missing=("vision",)),
        ),
    ],
)
def test_what_must_hold_wins_over_every_weight(
    catalog: Catalog, constraints: dict[str, Any], left: set[str], drop: Dropped
) -> None:
    weights = Weights(quality=1_000.0, cost=0.0, latency=0.0)
    plan = decided(catalog, question(constraints=Constraints(**constraints), weights=weights))
    assert set(ids(plan)) == left
    assert drop in plan.dropped


def test_nobody_loosens_what_another_has_set() -> None:
    tenant = Constraints(models=frozenset({"a", "b"}), max_cost_pico=5, no_training=True)
    asked = Constraints(models=frozenset({"b", "c"}), max_cost_pico=9, regions=frozenset({"eu"}))
    both = tenant.and_also(asked)
    assert both == asked.and_also(tenant)
    assert (both.models, both.max_cost_pico, both.no_training) == (frozenset({"b"}), 5, True)
    assert both.regions == frozenset({"eu"})


@given(
    available=st.frozensets(st.sampled_from(sorted(ALL))),
    tokens=st.integers(1, 400_000),
    cost=st.floats(0, 50),
    latency=st.floats(0, 50),
    name=st.sampled_from(TASKS),
    difficulty=st.floats(0, 1),
)
def test_every_model_is_a_candidate_or_dropped_with_a_reason(
    catalog: Catalog,
    available: frozenset[str],
    tokens: int,
    cost: float,
    latency: float,
    name: Task,
    difficulty: float,
) -> None:
    asked = question(
        input_tokens=tokens, weights=Weights(cost=cost, latency=latency), task=task(name, 0.8, difficulty)
    )
    plan = decided(catalog, asked, available=available)
    assert sorted([*ids(plan), *(d.model_id for d in plan.dropped)]) == sorted(ALL - {"hidden"})
    assert [c.utility for c in plan.candidates] == sorted((c.utility for c in plan.candidates), reverse=True)
    assert all(0 <= c.quality <= 1 and c.cost_pico > 0 for c in plan.candidates)
    assert 0 <= plan.confidence <= 1


def test_what_is_hard_is_worth_more_money(catalog: Catalog) -> None:
    easy = decided(catalog, question(task=task("code", difficulty=0.0)))
    hard = decided(catalog, question(task=task("code", difficulty=1.0)))
    assert (ids(easy)[0], ids(hard)[0]) == ("small", "mid")


def test_outcomes_outweigh_what_was_expected(catalog: Catalog) -> None:
    bad = [Outcome(model_id="mid", task="analysis", reward=0.0) for _ in range(40)]
    learned = absorb(Learned(), bad)
    assert ids(decided(catalog, question(), learned=learned))[0] != "mid"
    assert ids(decided(catalog, question(task=task("translation")), learned=learned))[0] != "flag"


def test_a_users_own_taste_counts(catalog: Catalog) -> None:
    plan = decided(catalog, question(preferences={"twin": 0.1}))
    assert ids(plan)[0] == "twin"
    assert "your own feedback +10%" in plan.candidates[0].reason


def test_a_model_that_fails_often_comes_after_one_that_does_not(catalog: Catalog) -> None:
    poorly = Performance(first_token_ms=800, tokens_per_s=90, availability=0.7)
    plan = decided(catalog, question(), performance={"mid": poorly})
    assert ids(plan)[0] == "twin"
    assert "70% available" in next(c.reason for c in plan.candidates if c.model_id == "mid")


def test_dear_money_moves_the_choice_down(catalog: Catalog) -> None:
    assert ids(decided(catalog, question(), cost_pressure=50.0))[0] == "small"


def test_the_cost_is_that_of_the_input_and_of_answers_to_this_task(catalog: Catalog) -> None:
    tokens = QualityPriors.load().output_tokens["translation"]
    asked = question(task=TaskPrediction(task="translation", confidence=1.0), input_tokens=1_000)
    cost = {c.model_id: c.cost_pico for c in decided(catalog, asked).candidates}
    assert cost["mid"] == 2_000_000 * 1_000 + 10_000_000 * tokens
    limited = question(task=asked.task, input_tokens=1_000, request=request(max_tokens=10))
    assert decided(catalog, limited).candidates[0].cost_pico < cost["mid"]


def test_a_conversation_stays_with_its_model_for_small_gains(catalog: Catalog) -> None:
    asked = question(history_tokens=5_000, incumbent=Incumbent(model_id="twin", cached_tokens=5_000))
    plan = decided(catalog, asked)
    assert (ids(plan)[0], plan.seat) == ("twin", "kept")
    # What the others lack is the cache: 5,000 tokens at a tenth of the price.
    assert plan.switch_cost_pico == 5_000 * (2_000_000 - 200_000)


def test_a_conversation_moves_where_much_is_gained(catalog: Catalog) -> None:
    hard = task("math_reasoning", 0.99, 1.0)
    plan = decided(catalog, question(task=hard, incumbent=Incumbent(model_id="small", cached_tokens=100)))
    assert (ids(plan)[0], plan.seat) == ("mid", "left")
    assert "gains more than the switch costs" in plan.candidates[0].reason


def test_a_full_cache_keeps_what_an_empty_one_would_not(catalog: Catalog) -> None:
    def seat(cached: int) -> str:
        incumbent = Incumbent(model_id="flag", cached_tokens=cached)
        cheap = question(mode="cheap", history_tokens=150_000, incumbent=incumbent)
        return decided(catalog, cheap, available=frozenset({"flag", "mid"})).seat

    assert (seat(0), seat(150_000)) == ("left", "kept")


def test_tool_calls_under_way_lock_the_conversation(catalog: Catalog) -> None:
    locked = Incumbent(model_id="small", locked=True)
    plan = decided(catalog, question(mode="quality", request=request(tools=(Tool("t"),)), incumbent=locked))
    assert (ids(plan), plan.seat) == (["small"], "locked")
    assert Dropped(model_id="flag", reason="tools_under_way") in plan.dropped


def test_a_model_that_is_gone_gives_its_conversation_to_another(catalog: Catalog) -> None:
    locked = Incumbent(model_id="small", locked=True)
    plan = decided(catalog, question(incumbent=locked), available=frozenset({"mid", "flag"}))
    assert (ids(plan)[0], plan.seat) == ("mid", "lost")


def test_a_conversation_that_would_have_to_be_compressed_costs_quality(catalog: Catalog) -> None:
    whole = decided(catalog, question(history_tokens=100_000)).candidates[0]
    squeezed = decided(catalog, question(history_tokens=400_000)).candidates[0]
    assert squeezed.quality < whole.quality
    assert squeezed.cost_pico < 3 * whole.cost_pico


def test_simulated_sessions_hardly_switch_in_vain_and_never_unsafely(catalog: Catalog) -> None:
    """The classifier is right as often as it says; a switch is in vain if the truth gains nothing by it."""
    rng = random.Random(5)  # noqa: S311
    switches = in_vain = turns = 0
    for _ in range(250):
        name, difficulty, held, cached = rng.choice(TASKS), rng.random(), "", 0
        for _ in range(15):
            if rng.random() < 0.12:
                name, difficulty = rng.choice(TASKS), rng.random()
            sure = rng.uniform(0.45, 0.98)
            told = name if rng.random() < sure else rng.choice(TASKS)
            seen = min(1, max(0, difficulty + rng.gauss(0, 0.15)))
            noisy = task(told, sure, seen)
            incumbent = None
            if held:
                locked = rng.random() < 0.2
                incumbent = Incumbent(model_id=held, cached_tokens=cached, locked=locked)
            asked = question(task=noisy, history_tokens=cached, incumbent=incumbent)
            first = ids(decided(catalog, asked))[0]
            if incumbent is not None and first != held:
                assert not incumbent.locked
                truth = decided(catalog, replace(asked, task=task(name, 0.99, difficulty)))
                worth = {c.model_id: c.utility for c in truth.candidates}
                switches += 1
                in_vain += worth[first] <= worth[held]
            turns, held, cached = turns + 1, first, cached + 800
    assert 0 < switches < 0.05 * turns
    assert in_vain <= 0.15 * switches


def test_a_decision_crosses_process_boundaries(catalog: Catalog) -> None:
    plan = decided(catalog, question(incumbent=Incumbent(model_id="mid")))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_choose_names_a_model_for_each_prompt() -> None:
    models = ["openai/gpt-6-astra", "gpt-6-luna"]
    prompts = ["What is the capital of France?", "Prove that there are infinitely many primes."]

    def classify(_: object) -> list[TaskPrediction]:
        return [task("knowledge_qa", difficulty=0.0), task("math_reasoning", difficulty=1.0)]

    assert choose(prompts, models, "cheap", classify=classify) == ["gpt-6-luna", "gpt-6-luna"]
    assert choose(prompts, models, "quality", classify=classify) == ["openai/gpt-6-astra"] * 2
    assert choose(prompts, models, Weights(cost=0.0), classify=classify)[1] == "openai/gpt-6-astra"
    assert choose(prompts, models) == choose(prompts, models, "balanced")


def test_every_model_of_the_router_has_a_prior_with_a_source() -> None:
    priors = QualityPriors.load()
    for model in load_catalog().models.values():
        if model.auto:
            prior = priors.prior(model)
            assert prior.source
            assert len(prior.means) == len(TASKS)


def test_an_unknown_task_weighs_them_all() -> None:
    unknown = unknown_task()
    assert unknown.distribution() == pytest.approx((0.1,) * 10)
    assert sum(task("code", 0.7).distribution()) == pytest.approx(1.0)
