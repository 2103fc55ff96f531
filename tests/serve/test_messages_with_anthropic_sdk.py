"""Anthropic's own SDK against the running product, every provider behind it."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic

from tests.serve.stack import Stack

MODELS = ["gpt-5.4-mini", "claude-sonnet-5", "gemini-3.5-flash"]
WEATHER: Any = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def sdk(stack: Stack) -> Iterator[Anthropic]:
    with Anthropic(base_url=stack.url, api_key=stack.key, max_retries=0, timeout=30) as sdk:
        yield sdk


@pytest.mark.parametrize("model", MODELS)
def test_a_task_with_tools_and_thoughts_goes_round(sdk: Anthropic, model: str) -> None:
    said: Any = [
        {"role": "user", "content": '[[tool:weather {"city":"Bern"}]] [[tool:weather {"city":"Rome"}]]'}
    ]
    thinking: Any = {"type": "adaptive", "display": "summarized"}
    with sdk.messages.stream(
        model=model, max_tokens=2_000, messages=said, tools=[WEATHER], thinking=thinking
    ) as stream:
        called = stream.get_final_message()
    uses = [block for block in called.content if block.type == "tool_use"]
    assert called.stop_reason == "tool_use"
    assert [use.input for use in uses] == [{"city": "Bern"}, {"city": "Rome"}]
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": "sun"} for use in uses]
    said += [{"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    answer = sdk.messages.create(
        model=model, max_tokens=2_000, messages=said, tools=[WEATHER], thinking=thinking
    )
    assert (answer.model, answer.stop_reason) == (model, "end_turn")
    assert answer.usage.output_tokens > 0
    assert answer._request_id


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_that_does_not_block_streams_too(stack: Stack, model: str) -> None:
    async with AsyncAnthropic(base_url=stack.url, api_key=stack.key, max_retries=0) as sdk:
        hello: Any = [{"role": "user", "content": "How are you?"}]
        counted = await sdk.messages.count_tokens(model=model, messages=hello)
        async with sdk.messages.stream(model=model, max_tokens=500, messages=hello) as stream:
            text = "".join([piece async for piece in stream.text_stream])
    assert counted.input_tokens > 0
    assert "How are you?" in text


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("[[sandbox: fail=429 retry_after=2]]", anthropic.RateLimitError),
        ("[[sandbox: fail=400]]", anthropic.BadRequestError),
        ("[[sandbox: fail=529]]", anthropic.OverloadedError),
        ("[[sandbox: error_after=3]]", anthropic.APIStatusError),
    ],
)
def test_errors_are_what_the_sdk_knows(sdk: Anthropic, said: str, error: type[Exception]) -> None:
    hello: Any = [{"role": "user", "content": said}]
    with (
        pytest.raises(error),
        sdk.messages.stream(model="claude-sonnet-5", max_tokens=500, messages=hello) as stream,
    ):
        stream.until_done()


def test_models_are_listed_in_its_shape(sdk: Anthropic) -> None:
    assert {"claude-sonnet-5", "gpt-5.4-mini", "auto"} <= {model.id for model in sdk.models.list()}
