"""The sandbox as the anthropic SDK sees it."""

from typing import Any

import anthropic as sdk
import pytest
from anthropic import AsyncAnthropic

from deployments.sandbox.tokens import count

pytestmark = pytest.mark.asyncio(loop_scope="session")

WEATHER: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKED: Any = {"model": "claude-haiku-4-5", "max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}]}
ADAPTIVE: Any = {"model": "claude-opus-5-5", "thinking": {"type": "adaptive"}, "tools": [WEATHER]}


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


async def test_a_unary_answer_is_labelled_and_counts_tokens(anthropic: AsyncAnthropic) -> None:
    answer = await anthropic.messages.create(**ASKED)
    assert answer.content[0].type == "text"
    assert "Simulated" in answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (1, count(answer.content[0].text))
    counted = await anthropic.messages.count_tokens(model=ASKED["model"], messages=ASKED["messages"])
    assert counted.input_tokens == answer.usage.input_tokens


async def test_a_stream_says_the_same_as_the_unary_answer(anthropic: AsyncAnthropic) -> None:
    headers = {"x-sandbox": "cached=40 cache_write=20 cache_write_1h=7"}
    asked = ASKED | {"system": "x" * 400, "extra_headers": headers}
    whole = await anthropic.messages.create(**asked)
    async with anthropic.messages.stream(**asked) as stream:
        final = await stream.get_final_message()
    assert final.content[0].to_dict() == whole.content[0].to_dict()
    assert final.usage.output_tokens == whole.usage.output_tokens
    for usage in (whole.usage, final.usage):
        assert usage.cache_read_input_tokens == 40
        assert usage.cache_creation_input_tokens == 27
        assert usage.input_tokens == count("x" * 400 + "Hi") - 67


async def test_tools_are_called_and_their_results_quoted(anthropic: AsyncAnthropic) -> None:
    asked = ASKED | {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "weather"}}
    async with anthropic.messages.stream(**asked) as stream:
        answer = await stream.get_final_message()
    call: Any = answer.content[0]
    assert answer.stop_reason == "tool_use"
    assert call.input == {"city": "simulated city"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    messages = [user("Hi"), {"role": "assistant", "content": answer.content}, user([result])]
    final: Any = await anthropic.messages.create(**ASKED | {"tools": [WEATHER], "messages": messages})
    assert 'weather returned: "sunny"' in final.content[0].text


async def test_thoughts_are_signed_and_a_changed_one_is_refused(anthropic: AsyncAnthropic) -> None:
    asked = ASKED | ADAPTIVE | {"messages": [user('[[tool:weather {"city": "Rome"}]]')]}
    async with anthropic.messages.stream(**asked) as stream:
        answer = await stream.get_final_message()
    assert [block.type for block in answer.content] == ["thinking", "tool_use"]
    blocks: Any = [block.to_dict() for block in answer.content]
    result = {"type": "tool_result", "tool_use_id": blocks[1]["id"], "content": "sunny"}
    for shape in (
        user('[[tool:weather {"city": "Rome"}]]'),
        user([{"type": "text", "text": asked["messages"][0]["content"]}]),
    ):
        await anthropic.messages.create(
            **asked | {"messages": [shape, {"role": "assistant", "content": blocks}, user([result])]}
        )
    edited = [user("Another question"), {"role": "assistant", "content": blocks}, user([result])]
    with pytest.raises(sdk.BadRequestError, match="bound to a different conversation"):
        await anthropic.messages.create(**asked | {"messages": edited})
    blocks[0]["thinking"] += "!"
    with pytest.raises(sdk.BadRequestError, match="Invalid `signature`"):
        await anthropic.messages.create(**asked | {"messages": edited})


async def test_structured_output_stop_sequences_and_max_tokens(anthropic: AsyncAnthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 3}},
        "additionalProperties": False,
    }
    form: Any = {"format": {"type": "json_schema", "schema": schema}}
    made: Any = await anthropic.messages.create(**ASKED, output_config=form)
    assert made.content[0].text == '{"n":3}'
    stopped = await anthropic.messages.create(**ASKED, stop_sequences=["sandbox"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "sandbox")
    cut = await anthropic.messages.create(**ASKED | {"max_tokens": 5})
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 5)


async def test_models(anthropic: AsyncAnthropic) -> None:
    assert "claude-opus-5-5" in {model.id async for model in anthropic.models.list()}


USE: Any = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
RESULT: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"messages": []}, sdk.BadRequestError),
        ({"messages": [user("")]}, sdk.BadRequestError),
        ({"messages": [user([{"type": "text", "text": " "}])]}, sdk.BadRequestError),
        ({"messages": [{"role": "tool", "content": "x"}]}, sdk.BadRequestError),
        ({"messages": [user("Hi"), {"role": "system", "content": "x"}]}, sdk.BadRequestError),
        (
            {"messages": [user([{"type": "image_url", "image_url": {"url": "http://x"}}])]},
            sdk.BadRequestError,
        ),
        ({"messages": [user("Hi"), {"role": "assistant", "content": [USE]}, user("x")]}, sdk.BadRequestError),
        ({"messages": [user([RESULT])]}, sdk.BadRequestError),
        (
            {
                "messages": [
                    user("Hi"),
                    {"role": "assistant", "content": [USE]},
                    user([{"type": "text", "text": "x"}, RESULT]),
                ]
            },
            sdk.BadRequestError,
        ),
        (
            {
                "messages": [
                    user("Hi"),
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "y"}],
                    },
                    user("x"),
                ]
            },
            sdk.BadRequestError,
        ),
        (
            {"model": "claude-opus-5", "messages": [user("Hi"), {"role": "assistant", "content": "x"}]},
            sdk.BadRequestError,
        ),
        ({"model": "claude-opus-5", "extra_body": {"temperature": 0.1}}, sdk.BadRequestError),
        (
            {"model": "claude-opus-5", "thinking": {"type": "enabled", "budget_tokens": 1024}},
            sdk.BadRequestError,
        ),
        (
            {"model": "claude-opus-5-5", "tools": [WEATHER], "tool_choice": {"type": "any"}},
            sdk.BadRequestError,
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, sdk.BadRequestError),
        ({"system": ""}, sdk.BadRequestError),
        ({"extra_body": {"response_format": {}}}, sdk.BadRequestError),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, sdk.BadRequestError),
        ({"tools": [{"name": "a", "input_schema": {}}]}, sdk.BadRequestError),
        ({"model": "gpt-4o"}, sdk.NotFoundError),
        ({"extra_headers": {"authorization": "Bearer invalid"}}, sdk.AuthenticationError),
    ],
)
async def test_what_anthropic_refuses(anthropic: AsyncAnthropic, change: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await anthropic.messages.create(**ASKED | change)


async def test_max_tokens_is_required(anthropic: AsyncAnthropic) -> None:
    with pytest.raises(sdk.BadRequestError, match="max_tokens: Field required"):
        await anthropic.post(
            "/v1/messages", body={"model": "claude-opus-5", "messages": [user("Hi")]}, cast_to=object
        )
