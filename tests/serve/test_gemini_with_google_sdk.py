"""Google's own SDK against the running product, every provider behind it."""

from collections.abc import Iterator

import httpx2
import pytest
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError

from tests.serve.stack import Stack

MODELS = ["gpt-5.4-mini", "claude-sonnet-5", "gemini-3.5-flash"]
WEATHER = types.FunctionDeclaration(
    name="weather",
    description="The weather in a city.",
    parameters_json_schema={
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
)
CONFIG = types.GenerateContentConfig(
    tools=[types.Tool(function_declarations=[WEATHER])],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


@pytest.fixture
def sdk(stack: Stack) -> Iterator[genai.Client]:
    with httpx2.Client(timeout=30) as http:
        options = types.HttpOptions(base_url=stack.url, httpx_client=http)
        yield genai.Client(api_key=stack.key, http_options=options)


@pytest.mark.parametrize("model", MODELS)
def test_a_task_with_tools_goes_round(sdk: genai.Client, model: str) -> None:
    asked = '[[tool:weather {"city":"Bern"}]] [[tool:weather {"city":"Rome"}]]'
    said = [types.Content(role="user", parts=[types.Part(text=asked)])]
    called = sdk.models.generate_content(model=model, contents=list(said), config=CONFIG)
    calls = called.function_calls or []
    assert [call.args for call in calls] == [{"city": "Bern"}, {"city": "Rome"}]
    [candidate] = called.candidates or []
    assert candidate.content is not None
    answers = [
        types.FunctionResponse(id=call.id, name=call.name, response={"output": "sun"}) for call in calls
    ]
    said += [
        candidate.content,
        types.Content(role="user", parts=[types.Part(function_response=one) for one in answers]),
    ]
    chunks = list(sdk.models.generate_content_stream(model=model, contents=list(said), config=CONFIG))
    assert "".join(chunk.text or "" for chunk in chunks)
    assert chunks[-1].usage_metadata is not None
    assert (chunks[-1].usage_metadata.total_token_count or 0) > 0
    assert chunks[-1].model_version == model


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_that_does_not_block_streams_too(stack: Stack, model: str) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        options = types.HttpOptions(base_url=stack.url, httpx_async_client=http)
        sdk = genai.Client(api_key=stack.key, http_options=options)
        counted = await sdk.aio.models.count_tokens(model=model, contents="How are you?")
        stream = await sdk.aio.models.generate_content_stream(model=model, contents="How are you?")
        text = "".join([chunk.text or "" async for chunk in stream])
    assert (counted.total_tokens or 0) > 0
    assert "How are you?" in text


def test_errors_are_what_the_sdk_knows(sdk: genai.Client) -> None:
    with pytest.raises(ClientError) as caught:
        sdk.models.generate_content(model="gemini-3.5-flash", contents="[[sandbox: fail=429 retry_after=2]]")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(APIError):
        list(
            sdk.models.generate_content_stream(
                model="gemini-3.5-flash", contents="[[sandbox: error_after=3]]"
            )
        )
