"""The sandbox as the openai SDK sees it."""

import json
from typing import Any

import openai as sdk
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from deployments.sandbox.tokens import count

pytestmark = pytest.mark.asyncio(loop_scope="session")

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


class Review(BaseModel):
    title: str
    stars: int
    tags: list[str]


async def test_a_unary_answer_is_labelled_quotes_the_user_and_counts_tokens(openai: AsyncOpenAI) -> None:
    raw = await openai.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=user("Good morning")
    )
    answer = raw.parse()
    text = answer.choices[0].message.content or ""
    assert raw.headers["x-polyvox-simulated"] == "1"
    assert raw.headers["x-request-id"].startswith("req_")
    assert "Simulated" in text
    assert "Good morning" in text
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (
        count("Good morning"),
        count(text),
    )


async def test_the_same_request_gets_the_same_words_under_another_id(openai: AsyncOpenAI) -> None:
    first, second = [
        await openai.chat.completions.create(model="gpt-4o", messages=user("Hi")) for _ in range(2)
    ]
    assert first.choices == second.choices
    assert first.id != second.id


async def test_a_stream_says_the_same_as_the_unary_answer_and_ends_with_its_usage(
    openai: AsyncOpenAI,
) -> None:
    asked: Any = {"model": "gpt-4o-mini", "messages": user("Grüße, 你好 [[sandbox: tokens=50 reasoning=3]]")}
    whole = await openai.chat.completions.create(**asked)
    stream = await openai.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert len("".join(c.choices[0].delta.content or "" for c in chunks[:-1]).encode()) == 200
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 53
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == 3


async def test_without_include_usage_a_stream_has_none(openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(model="gpt-4o-mini", messages=user("Hi"), stream=True)
    assert [chunk.usage async for chunk in stream if chunk.usage] == []


async def test_tools_are_called_in_parallel_and_their_results_quoted(openai: AsyncOpenAI) -> None:
    messages = user('[[tool:weather {"city": "Rome"}]] and [[tool:weather]]')
    answer = await openai.chat.completions.create(model="gpt-5.5", messages=messages, tools=[WEATHER])
    calls: Any = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in calls] == [
        {"city": "Rome"},
        {"city": "simulated city"},
    ]
    messages.append(answer.choices[0].message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": f"sunny {call.id}"} for call in calls]
    final = await openai.chat.completions.create(model="gpt-5.5", messages=messages, tools=[WEATHER])
    assert all(f"sunny {call.id}" in (final.choices[0].message.content or "") for call in calls)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_forced_tool_is_called_in_a_stream_too(openai: AsyncOpenAI, choice: Any) -> None:
    stream = await openai.chat.completions.create(
        model="gpt-4o", messages=user("Hi"), tools=[WEATHER], tool_choice=choice, stream=True
    )
    deltas: list[Any] = [call async for c in stream for o in c.choices for call in o.delta.tool_calls or []]
    assert deltas[0].function.name == "weather"
    assert json.loads("".join(d.function.arguments or "" for d in deltas)) == {"city": "simulated city"}


async def test_structured_output_is_an_instance_of_the_schema(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.parse(model="gpt-4o", messages=user("Hi"), response_format=Review)
    assert isinstance(answer.choices[0].message.parsed, Review)


@pytest.mark.parametrize(
    ("extra", "finish", "tokens"),
    [
        ({"max_tokens": 5}, "length", 5),
        ({"stop": ["sandbox"]}, "stop", count("Simulated answer of the Polyvox ")),
    ],
)
async def test_limits_are_honoured(openai: AsyncOpenAI, extra: Any, finish: str, tokens: int) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=user("Hi"), **extra)
    assert answer.choices[0].finish_reason == finish
    assert answer.usage is not None
    assert answer.usage.completion_tokens == tokens


async def test_responses_whole_and_streamed_with_reasoning_and_its_replay(openai: AsyncOpenAI) -> None:
    asked: Any = {"model": "gpt-5.5", "reasoning": {"effort": "low", "summary": "auto"}}
    stream = await openai.responses.create(**asked, input="Hi", stream=True)
    events: list[Any] = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    final = events[-1].response
    told = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert final.output_text == told
    assert final.usage.output_tokens_details.reasoning_tokens == 24
    replay = [
        {"role": "user", "content": "Hi"},
        *(item.model_dump(exclude_none=True) for item in final.output),
    ]
    again = await openai.responses.create(**asked, input=[*replay, {"role": "user", "content": "More"}])
    assert '"More"' in again.output_text
    replay[1]["encrypted_content"] += "x"
    with pytest.raises(sdk.BadRequestError, match="could not be verified"):
        await openai.responses.create(**asked, input=[*replay, {"role": "user", "content": "More"}])


async def test_responses_hidden_reasoning_tools_and_limits(openai: AsyncOpenAI) -> None:
    tool: Any = {"type": "function", **WEATHER["function"]}
    asked: Any = {"model": "gpt-5.5", "input": "Hi", "tools": [tool], "tool_choice": "required"}
    async with openai.responses.stream(**asked, reasoning={"effort": "high"}) as stream:
        final = await stream.get_final_response()
    assert [item.type for item in final.output] == ["reasoning", "function_call"]
    cut = await openai.responses.create(model="gpt-4o", input="Hi", max_output_tokens=16)
    assert cut.status == "incomplete"
    assert cut.usage is not None
    assert cut.usage.output_tokens == 16
    parsed = await openai.responses.parse(model="gpt-4o", input="Hi", text_format=Review)
    assert isinstance(parsed.output_parsed, Review)


async def test_embeddings_and_models(openai: AsyncOpenAI) -> None:
    made = await openai.embeddings.create(model="text-embedding-3-small", input=["one", "two"], dimensions=64)
    assert [len(each.embedding) for each in made.data] == [64, 64]
    assert made.usage.prompt_tokens == 2
    assert "gpt-5.5" in {model.id async for model in openai.models.list()}


CALL: Any = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"messages": []}, sdk.BadRequestError),
        ({"messages": [{"role": "model", "content": "x"}]}, sdk.BadRequestError),
        ({"messages": [{"role": "user", "content": None}]}, sdk.BadRequestError),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, sdk.BadRequestError),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, sdk.BadRequestError),
        ({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, sdk.BadRequestError),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL | {"id": "c" * 41}]}]},
            sdk.BadRequestError,
        ),
        ({"extra_body": {"system": "x"}}, sdk.BadRequestError),
        ({"model": "claude-opus-5"}, sdk.NotFoundError),
        ({"model": "gpt-5.5", "max_tokens": 5}, sdk.BadRequestError),
        ({"model": "gpt-5.5", "temperature": 0.2}, sdk.BadRequestError),
        ({"model": "gpt-5.5", "stop": ["x"]}, sdk.BadRequestError),
        ({"stop": list("abcde")}, sdk.BadRequestError),
        ({"temperature": 3}, sdk.BadRequestError),
        ({"tool_choice": "required"}, sdk.BadRequestError),
        ({"response_format": {"type": "json_object"}}, sdk.BadRequestError),
        ({"stream_options": {"include_usage": True}}, sdk.BadRequestError),
        ({"extra_headers": {"x-sandbox": "bogus=1"}}, sdk.BadRequestError),
        ({"extra_headers": {"authorization": "Bearer invalid-key"}}, sdk.AuthenticationError),
    ],
)
async def test_what_openai_refuses(openai: AsyncOpenAI, change: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await openai.chat.completions.create(**({"model": "gpt-4o", "messages": user("Hi")} | change))


@pytest.mark.parametrize(
    "items",
    [
        [{"type": "function_call_output", "call_id": "c1", "output": "x"}],
        [{"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}],
        [{"type": "reasoning", "id": "rs_1", "summary": []}],
        [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    ],
)
async def test_what_responses_refuses(openai: AsyncOpenAI, items: Any) -> None:
    with pytest.raises(sdk.BadRequestError):
        await openai.responses.create(model="gpt-5.5", input=items)
