"""The sandbox as the google-genai SDK sees it."""

from typing import Any

import pytest
from google.genai import errors, types
from google.genai.client import AsyncClient

from deployments.sandbox.tokens import count

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "gemini-3.5-flash"
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            parameters_json_schema={
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        )
    ]
)
FORCED = types.ToolConfig(
    function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
)


def config(**fields: Any) -> types.GenerateContentConfig:
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(automatic_function_calling=off, **fields)


async def test_a_unary_answer_is_labelled_and_counts_tokens(google: AsyncClient) -> None:
    answer = await google.models.generate_content(model=MODEL, contents="Good morning")
    assert "Simulated" in (answer.text or "")
    assert answer.usage_metadata is not None
    counted = await google.models.count_tokens(model=MODEL, contents="Good morning")
    assert answer.usage_metadata.prompt_token_count == counted.total_tokens == count("Good morning")
    assert answer.usage_metadata.candidates_token_count == count(answer.text or "")


async def test_a_stream_says_the_same_as_the_unary_answer(google: AsyncClient) -> None:
    text = "Hi [[sandbox: tokens=30 cached=3]]"
    thinking = config(thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=64))
    whole = await google.models.generate_content(model=MODEL, contents=text, config=thinking)
    stream = await google.models.generate_content_stream(model=MODEL, contents=text, config=thinking)
    chunks = [chunk async for chunk in stream]
    parts = [part for c in chunks for part in (c.candidates or [])[0].content.parts or []]  # type: ignore[union-attr]
    assert "".join(part.text or "" for part in parts if not part.thought) == whole.text
    assert any(part.thought for part in parts)
    assert parts[-1].thought_signature
    assert chunks[-1].usage_metadata == whole.usage_metadata
    usage = whole.usage_metadata
    assert usage is not None
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.cached_content_token_count) == (
        30,
        24,
        3,
    )


async def test_a_signed_call_comes_back_and_its_result_is_quoted(google: AsyncClient) -> None:
    answer = await google.models.generate_content(
        model=MODEL, contents="Hi", config=config(tools=[WEATHER], tool_config=FORCED)
    )
    assert answer.candidates is not None
    turn: Any = answer.candidates[0].content
    call = turn.parts[0].function_call
    assert call.args == {"city": "simulated city"}
    result = types.Part.from_function_response(name="weather", response={"output": "sunny"})
    result.function_response.id = call.id  # type: ignore[union-attr]
    history: Any = [types.UserContent("Hi"), turn, types.UserContent([result])]
    final = await google.models.generate_content(
        model=MODEL, contents=history, config=config(tools=[WEATHER])
    )
    assert 'weather returned: "sunny"' in (final.text or "")
    for signature in (None, b"forged"):
        turn.parts[0].thought_signature = signature
        with pytest.raises(errors.ClientError, match="signature"):
            await google.models.generate_content(
                model=MODEL, contents=history, config=config(tools=[WEATHER])
            )
    turn.parts[0].thought_signature = b"skip_thought_signature_validator"
    await google.models.generate_content(model=MODEL, contents=history, config=config(tools=[WEATHER]))


async def test_structured_output_stop_sequences_and_max_tokens(google: AsyncClient) -> None:
    schema = types.Schema(type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)})
    form = config(response_mime_type="application/json", response_schema=schema)
    made = await google.models.generate_content(model=MODEL, contents="Hi", config=form)
    assert made.text == '{"n":1}'
    cut = await google.models.generate_content(model=MODEL, contents="Hi", config=config(max_output_tokens=5))
    assert cut.candidates is not None
    assert cut.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    stopped = await google.models.generate_content(
        model=MODEL, contents="Hi", config=config(stop_sequences=["of"])
    )
    assert stopped.text == "Simulated answer "


async def test_embeddings_and_models(google: AsyncClient) -> None:
    texts: Any = ["one", "two"]  # as lists are invariant, no type of the SDK's has room for one of texts
    made = await google.models.embed_content(model="gemini-embedding-001", contents=texts)
    assert [len(each.values or []) for each in made.embeddings or []] == [3072, 3072]
    assert "models/gemini-2.5-pro" in [model.name async for model in await google.models.list()]


USER: Any = {"role": "user", "parts": [{"text": "Hi"}]}
CALL: Any = {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}}]}


@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        (MODEL, {}, 400),
        (MODEL, {"contents": []}, 400),
        (MODEL, {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, 400),
        (MODEL, {"contents": [{"role": "user", "parts": []}]}, 400),
        (MODEL, {"contents": [{"role": "user", "parts": [{"text": ""}]}]}, 400),
        (MODEL, {"contents": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]}, 400),
        (MODEL, {"contents": [USER], "messages": []}, 400),
        (MODEL, {"contents": [USER], "generation_config": {"max_tokens": 5}}, 400),
        (MODEL, {"contents": [USER], "generationConfig": {"stopSequences": list("abcdef")}}, 400),
        ("gemini-2.5-pro", {"contents": [USER, CALL]}, 400),
        ("gemini-2.5-pro", {"contents": [USER, CALL, USER]}, 400),
        ("gemini-2.5-pro", {"contents": [CALL, USER]}, 400),
        (MODEL, {"contents": [USER], "tools": [{"functionDeclarations": [{"name": "1"}]}]}, 400),
        (
            MODEL,
            {
                "contents": [USER],
                "tools": [{"function_declarations": [{"name": "a", "parameters": {"$ref": "#"}}]}],
            },
            400,
        ),
        ("gpt-4o", {"contents": [USER]}, 404),
        ("gemini-2.5-pro", {"contents": [USER], "system_instruction": {"parts": [{"text": "x"}]}}, 200),
    ],
)
async def test_what_google_refuses(google: AsyncClient, model: str, body: Any, status: int) -> None:
    request = google._api_client.async_request("post", f"models/{model}:generateContent", body)
    if status == 200:
        await request
        return
    with pytest.raises(errors.ClientError) as refused:
        await request
    assert refused.value.code == status
