"""Answers are made up, the same for the same request, and within the limits that the request sets."""

from typing import Any

import orjson
import pytest

from deployments.sandbox.answers import compose, embedding
from deployments.sandbox.behaviour import NORMAL, Behaviour
from deployments.sandbox.exchange import Ids, Prompt, Tool
from models.chat import Usage

TOOLS = [Tool("weather", {"type": "object", "properties": {"city": {"type": "string"}}}), Tool("clock", {})]


def prompt(text: str = "Hi", **fields: Any) -> Prompt:
    return Prompt(model="m", input_tokens=10, user_text=text, **fields)


def calls(asked: Prompt, behaviour: Behaviour = NORMAL) -> list[tuple[str, Any]]:
    made = compose(asked, behaviour, Ids("c", 1, 0)).calls
    assert len({call.id for call in made}) == len(made)
    return [(call.name, orjson.loads(call.arguments)) for call in made]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (prompt(tools=TOOLS), []),
        (prompt('[[tool:weather {"city": "Rome"}]]', tools=TOOLS), [("weather", {"city": "Rome"})]),
        (prompt("[[tool:other]]", tools=TOOLS), []),
        (
            prompt("[[tool:clock]][[tool:weather]]", tools=TOOLS),
            [("clock", {}), ("weather", {"city": "simulated city"})],
        ),
        (prompt("[[tool:clock]][[tool:weather]]", tools=TOOLS, parallel=False), [("clock", {})]),
        (prompt("[[tool:clock]]", tools=TOOLS, may_call=False), []),
        (prompt("[[tool:clock]]", tools=TOOLS, results=[("clock", "12:00")]), []),
        (prompt(tools=TOOLS, must_call=("clock",)), [("clock", {})]),
        (prompt("[[tool:weather]]", tools=TOOLS, must_call=("clock",)), [("clock", {})]),
    ],
)
def test_tools_are_called_when_the_request_wants_it(asked: Prompt, expected: list[tuple[str, Any]]) -> None:
    assert calls(asked) == expected


def test_a_directive_names_a_tool_too() -> None:
    assert calls(prompt(tools=TOOLS), Behaviour(tool="clock")) == [("clock", {})]


@pytest.mark.parametrize(
    ("fields", "behaviour", "finish", "output", "reasoning"),
    [
        ({}, Behaviour(tokens=50), "stop", 50, 0),
        ({"max_tokens": 20}, Behaviour(tokens=50), "length", 20, 0),
        ({"max_tokens": 50}, Behaviour(tokens=50), "stop", 50, 0),
        ({"thinking": True}, Behaviour(tokens=50), "stop", 74, 24),
        ({"thinking": True, "max_tokens": 30}, Behaviour(tokens=50), "length", 30, 24),
        ({"thinking": True, "max_tokens": 8}, Behaviour(tokens=50), "length", 8, 8),
        ({}, Behaviour(tokens=50, reasoning=7), "stop", 57, 7),
        ({}, Behaviour(tokens=0), "stop", 0, 0),
        ({"tools": TOOLS, "must_call": ("weather",), "max_tokens": 2}, NORMAL, "length", 0, 0),
        ({"stop": ("sandbox",)}, NORMAL, "stop_sequence", 8, 0),
    ],
)
def test_limits(
    fields: dict[str, Any], behaviour: Behaviour, finish: str, output: int, reasoning: int
) -> None:
    answer = compose(prompt(**fields), behaviour, Ids("c", 1, 0))
    assert (answer.finish, answer.usage.output, answer.usage.reasoning) == (finish, output, reasoning)


@pytest.mark.parametrize(
    ("behaviour", "usage"),
    [
        (Behaviour(tokens=1), Usage(input=10, output=1)),
        (Behaviour(tokens=1, cached=4), Usage(input=6, cache_read=4, output=1)),
        (Behaviour(tokens=1, cached=99), Usage(cache_read=10, output=1)),
        (
            Behaviour(tokens=1, cached=2, cache_write=3, cache_write_1h=9),
            Usage(cache_read=2, cache_write_5m=3, cache_write_1h=5, output=1),
        ),
    ],
)
def test_cached_tokens_are_a_part_of_the_input(behaviour: Behaviour, usage: Usage) -> None:
    assert compose(prompt(), behaviour, Ids("c", 1, 0)).usage == usage


def test_an_answer_depends_on_the_seed_alone_and_says_what_it_is() -> None:
    first, again, other = (compose(prompt("Good morning"), NORMAL, Ids("c", seed, 0)) for seed in (1, 1, 2))
    assert first == again != other
    assert 'Simulated answer of the Polyvox sandbox (m). You wrote: "Good morning".' in first.text


def test_an_embedding_is_a_unit_vector_of_the_text() -> None:
    vector = embedding("text", 8)
    assert isinstance(vector, list)
    assert sum(value * value for value in vector) == pytest.approx(1, abs=1e-5)
    assert vector == embedding("text", 8) != embedding("other", 8)
