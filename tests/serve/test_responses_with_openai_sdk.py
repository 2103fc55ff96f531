"""OpenAI's SDK and its responses against the running product, every provider behind it."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.serve.stack import Stack

MODELS = ["gpt-5.4-mini", "claude-sonnet-5", "gemini-3.5-flash"]
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


@pytest.mark.parametrize("model", MODELS)
def test_a_task_with_tools_goes_round_from_response_to_response(client: OpenAI, model: str) -> None:
    asked = '[[tool:weather {"city":"Bern"}]] [[tool:weather {"city":"Rome"}]]'
    called = client.responses.create(model=model, input=asked, tools=[WEATHER])
    calls = [item for item in called.output if item.type == "function_call"]
    assert [call.arguments.replace(" ", "") for call in calls] == ['{"city":"Bern"}', '{"city":"Rome"}']
    results: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in calls
    ]
    with client.responses.stream(
        model=model, input=results, previous_response_id=called.id, tools=[WEATHER]
    ) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    kept = client.responses.retrieve(answer.id)
    assert (kept.output_text, kept.model) == (answer.output_text, model)
    assert kept.previous_response_id == called.id
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_that_does_not_block_streams_too(stack: Stack, model: str) -> None:
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as sdk:
        answer = await sdk.responses.create(model=model, input="How are you?", store=False, stream=True)
        text = "".join([e.delta async for e in answer if e.type == "response.output_text.delta"])
    assert "How are you?" in text


def test_a_response_is_deleted(client: OpenAI) -> None:
    kept = client.responses.create(model="gpt-5.4-mini", input="hi")
    client.responses.delete(kept.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(kept.id)


def test_a_stream_that_breaks_says_so(client: OpenAI) -> None:
    events = list(
        client.responses.create(
            model="gpt-5.4-mini", input="[[sandbox: error_after=3]]", store=False, stream=True
        )
    )
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
