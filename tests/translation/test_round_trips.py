"""Every ordered pair of formats, over made-up conversations: `python -m tests.translation` runs many more."""

import json
import random
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.errors import InvalidRequest
from tests.translation.bodies.dice import Dice
from tests.translation.checks import (
    answer_problems,
    prefix_problems,
    problems,
    torn_problems,
)
from tests.translation.facts import FORMATS, MODELS, Format
from tests.translation.pairs import body_of, pair_of, refused, translated
from tests.translation.torn import misshapen, torn

PAIRS = [(source, target) for source in FORMATS for target in FORMATS]
few = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
dice = st.randoms(use_true_random=False).map(Dice)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@few
@given(dice=dice)
def test_a_conversation_is_accepted_and_comes_back(source: Format, target: Format, dice: Dice) -> None:
    pair = pair_of(dice, source, target)
    body = body_of(dice, source, pair.source_model)
    assert list(problems(pair, body)) == []


@pytest.mark.parametrize(("source", "target"), PAIRS)
@few
@given(dice=dice)
def test_a_torn_conversation_is_mended(source: Format, target: Format, dice: Dice) -> None:
    pair = pair_of(dice, source, target)
    body = torn(dice, source, body_of(dice, source, pair.source_model))
    assert list(torn_problems(pair, body)) == []


@pytest.mark.parametrize(("source", "target"), PAIRS)
@few
@given(dice=dice)
def test_a_longer_conversation_begins_as_the_shorter_was_sent(
    source: Format, target: Format, dice: Dice
) -> None:
    pair = pair_of(dice, source, target)
    body = body_of(dice, source, pair.source_model)
    assert list(prefix_problems(pair, body)) == []


@pytest.mark.parametrize(("source", "target"), PAIRS)
@few
@given(dice=dice)
def test_a_misshapen_request_is_translated_or_refused_with_a_typed_error(
    source: Format, target: Format, dice: Dice
) -> None:
    pair = pair_of(dice, source, target)
    body = misshapen(dice, body_of(dice, source, pair.source_model))
    with suppress(InvalidRequest):
        json.dumps(translated(pair, body))


@pytest.mark.parametrize("format", ["openai_chat", "anthropic", "gemini"])
@few
@given(dice=dice)
def test_an_answer_is_the_same_whole_and_streamed_and_goes_back_as_it_came(
    format: Format, dice: Dice
) -> None:
    model = dice.pick(MODELS[format])
    body = body_of(dice, format, model)
    assert list(answer_problems(dice, format, model, body)) == []


@pytest.mark.parametrize("format", FORMATS)
def test_the_conversations_are_such_as_their_own_provider_accepts(format: Format) -> None:
    for model in MODELS[format]:
        for seed in range(20):
            body = body_of(Dice(random.Random(f"{model} {seed}")), format, model)  # noqa: S311 - no secret
            # Runs of one role are allowed, and the product makes none.
            assert [said for said in refused(format, body, model) if "two user turns" not in said] == []
