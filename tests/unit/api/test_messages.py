"""`POST /v1/messages` as Anthropic's SDK sees it, with any model behind it."""

import json
from typing import Any

import anthropic
import pytest

from models.chat import (
    Chunk,
    Citation,
    Finished,
    Native,
    Opaque,
    OpaqueDelta,
    Refusal,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from models.doubles import play
from models.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    Internal,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from tests.unit.api.ways_in import KEY, MODELS, USAGE, Stage, blocking, raises, says, streams

PATH = "/v1/messages"
HELLO: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
SIGNED = Opaque("anthropic", "signature", "sig==")
SEARCH = '{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}}'
CITED = '{"type":"char_location","cited_text":"x","document_index":0,"start_char_index":0,"end_char_index":1}'
CALL = ToolCall("call_1", "weather", '{"city": "Bern"}')


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_reads_a_whole_answer(model: str) -> None:
    stage = Stage(says(Text("Hello")))
    message = await stage.anthropic().messages.create(**HELLO | {"model": model})
    assert (message.type, message.role, message.model, message.stop_reason) == (
        "message",
        "assistant",
        model,
        "end_turn",
    )
    [block] = message.content
    assert isinstance(block, anthropic.types.TextBlock)
    assert block.text == "Hello"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (100, 20, 10)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 4
    assert message._request_id is not None
    assert message.id == f"msg_{message._request_id}"
    [record] = stage.ledger.records
    assert (record.endpoint, record.model_id) == (PATH, model)


def test_the_blocking_sdk_reads_answers_and_streams() -> None:
    with blocking(says(Text("Hello"), CALL, finish="tool_calls")) as (_, http):
        client = anthropic.Anthropic(api_key=KEY, base_url="http://polyvox", http_client=http)
        message = client.messages.create(**HELLO)
        assert [block.type for block in message.content] == ["text", "tool_use"]
    with blocking(streams(TextDelta("Hel"), TextDelta("lo"))) as (_, http):
        client = anthropic.Anthropic(api_key=KEY, base_url="http://polyvox", http_client=http)
        with client.messages.stream(**HELLO) as stream:
            assert "".join(stream.text_stream) == "Hello"


async def test_headers_tell_who_answered_and_what_it_cost() -> None:
    response = await Stage(says(Text("Hello"))).client.request("POST", PATH, HELLO)
    assert response.status == 200
    assert response.headers["x-polyvox-model"] == "claude-haiku-4-5"
    assert response.headers["request-id"] == "req_1"
    assert float(response.headers["x-polyvox-cost-usd"]) == response.json()["usage"]["cost"] > 0


@pytest.mark.parametrize(
    ("parts", "finish", "content", "reason"),
    [
        pytest.param(
            (Thinking("hm", (SIGNED,)), Text("a")),
            "stop",
            [
                {"type": "thinking", "thinking": "hm", "signature": "sig=="},
                {"type": "text", "text": "a", "citations": None},
            ],
            "end_turn",
            id="its own thinking with its signature",
        ),
        pytest.param(
            (Thinking("hm", (Opaque("google", "thought_signature", "g"),)),),
            "stop",
            [{"type": "thinking", "thinking": "hm", "signature": ""}],
            "end_turn",
            id="foreign thinking without one",
        ),
        pytest.param(
            (Thinking(opaque=(Opaque("anthropic", "redacted_thinking", "xyz"),)),),
            "stop",
            [{"type": "redacted_thinking", "data": "xyz"}],
            "end_turn",
            id="redacted thinking",
        ),
        pytest.param(
            (CALL, ToolCall("c2", "now", "")),
            "tool_calls",
            [
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "c2", "name": "now", "input": {}},
            ],
            "tool_use",
            id="parallel calls",
        ),
        pytest.param(
            (ToolCall("c", "f", '{"a": '),),
            "length",
            [{"type": "tool_use", "id": "c", "name": "f", "input": {"invalid_json": '{"a": '}}],
            "max_tokens",
            id="a call that was cut off",
        ),
        pytest.param(
            (Native(Opaque("anthropic", "block", SEARCH)), Native(Opaque("google", "block", "{}"))),
            "stop",
            [json.loads(SEARCH)],
            "end_turn",
            id="blocks of its own and of others",
        ),
        pytest.param(
            (Text("x", (Citation("x", opaque=Opaque("anthropic", "citation", CITED)), Citation(url="u"))),),
            "stop",
            [{"type": "text", "text": "x", "citations": [json.loads(CITED)]}],
            "end_turn",
            id="citations of its own",
        ),
        pytest.param((), "content_filter", [], "refusal", id="nothing, filtered"),
    ],
)
async def test_parts_are_blocks(parts: Any, finish: Any, content: Any, reason: str) -> None:
    body = (await Stage(says(*parts, finish=finish)).client.request("POST", PATH, HELLO)).json()
    assert body["content"] == content
    assert body["stop_reason"] == reason


@pytest.mark.parametrize(("model", "texts"), [("claude-haiku-4-5", []), ("gpt-5.4-mini", ["I will not."])])
async def test_a_refusal_is_explained_and_said_where_it_was_said(model: str, texts: list[str]) -> None:
    stage = Stage(says(Refusal("I will not."), finish="refusal"))
    message = await stage.anthropic().messages.create(**HELLO | {"model": model})
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.stop_details.explanation == "I will not."
    assert [block.text for block in message.content if block.type == "text"] == texts


async def test_a_stop_sequence_is_named() -> None:
    message = await Stage(says(Text("a"), stop_sequence="END")).anthropic().messages.create(**HELLO)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_puts_a_stream_together(model: str) -> None:
    chunks: list[Chunk] = [
        ThinkingDelta("hm, "),
        ThinkingDelta("well"),
        OpaqueDelta(SIGNED),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolCallStarted(0, "call_1", "weather"),
        ToolCallDelta(0, '{"city": '),
        ToolCallDelta(0, '"Bern"}'),
        ToolCallStarted(1, "call_2", "now", "{}"),
    ]
    stage = Stage(streams(*chunks, finish="tool_calls"))
    async with stage.anthropic().messages.stream(**HELLO | {"model": model}) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert [block.to_dict() for block in message.content] == [
        {"type": "thinking", "thinking": "hm, well", "signature": "sig=="},
        {"type": "text", "text": "Hello", "citations": None},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Bern"}},
        {"type": "tool_use", "id": "call_2", "name": "now", "input": {}},
    ]
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (100, 10)


async def events(*chunks: Chunk, finish: Any = "stop", model: str = "claude-haiku-4-5") -> list[Any]:
    stage = Stage(streams(*chunks, finish=finish))
    response = await stage.client.request("POST", PATH, HELLO | {"model": model, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\n", 1) for block in response.body.decode().strip().split("\n\n")]
    read = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in read]
    return read


async def test_blocks_open_and_close_one_after_another() -> None:
    read = await events(TextDelta("a"), TextDelta(""), TextDelta("b"), ThinkingDelta("c"))
    assert [(event["type"], event.get("index")) for event in read] == [
        ("message_start", None),
        ("ping", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert read[-2]["usage"]["cost"] > 0


async def test_artefacts_of_its_own_are_streamed_as_they_were() -> None:
    read = await events(
        ThinkingDelta(""),
        OpaqueDelta(SIGNED),
        ThinkingDelta(""),
        OpaqueDelta(Opaque("anthropic", "redacted_thinking", "xyz")),
        OpaqueDelta(Opaque("anthropic", "block", SEARCH)),
        TextDelta("x"),
        OpaqueDelta(Opaque("google", "thought_signature", "g")),
        TextDelta("y"),
    )
    starts = [event["content_block"] for event in read if event["type"] == "content_block_start"]
    assert starts == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "xyz"},
        json.loads(SEARCH),
        {"type": "text", "text": "", "citations": None},
    ]
    deltas = [event["delta"] for event in read if event["type"] == "content_block_delta"]
    assert deltas == [
        {"type": "signature_delta", "signature": "sig=="},
        {"type": "text_delta", "text": "x"},
        {"type": "text_delta", "text": "y"},
    ]


async def test_a_streamed_refusal_is_said_by_those_whose_words_it_is() -> None:
    said = await events(RefusalDelta("No"), RefusalDelta("."), finish="refusal", model="gpt-5.4-mini")
    kept = await events(RefusalDelta("No."), finish="refusal")
    assert [e["delta"]["text"] for e in said if e["type"] == "content_block_delta"] == ["No", "."]
    assert not [e for e in kept if e["type"] == "content_block_delta"]
    for read in (said, kept):
        assert read[-2]["delta"]["stop_details"]["explanation"] == "No."


async def test_what_the_provider_says_of_the_input_is_told_at_the_start() -> None:
    stage = Stage(play([Started("i", "m", Usage(input=7)), TextDelta("a")], [Finished("stop", USAGE)]))
    stream = await stage.anthropic().messages.create(**HELLO, stream=True)
    first = await anext(aiter(stream))
    assert isinstance(first, anthropic.types.RawMessageStartEvent)
    assert first.message.usage.input_tokens == 7


ERRORS = [
    (ProviderRefused("bad", provider="anthropic", status=400), 400, "invalid_request_error"),
    (ContextLengthExceeded("300000 tokens"), 400, "invalid_request_error"),
    (ProviderAuthFailed("no", provider="anthropic", status=401), 502, "api_error"),
    (BudgetExceeded("spent"), 402, "billing_error"),
    (ProviderRateLimited("slow", provider="anthropic", retry_after_s=7.0), 429, "rate_limit_error"),
    (ProviderUnavailable("gone", provider="anthropic", status=500), 502, "api_error"),
    (ProviderOverloaded("busy", provider="anthropic", status=529), 529, "overloaded_error"),
    (ProviderTimeout("late", provider="anthropic"), 504, "timeout_error"),
    (Internal("a bug at 10.0.0.1"), 500, "api_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("error", "status", "kind"), ERRORS, ids=lambda value: getattr(value, "code", ""))
async def test_errors_are_anthropics(error: Any, status: int, kind: str, stream: bool) -> None:
    response = await Stage(raises(error)).client.request("POST", PATH, HELLO | {"stream": stream})
    body = response.json()
    assert (response.status, body["type"], body["error"]["type"]) == (status, "error", kind)
    assert body["request_id"] == response.headers["request-id"] == "req_1"
    assert body["error"]["details"]["error_code"] == error.code
    assert "10.0.0.1" not in body["error"]["message"]
    assert response.headers.get("retry-after") == (
        "7" if error.retry_after_s else response.headers.get("retry-after")
    )


async def test_the_sdk_raises_what_it_would_of_anthropic() -> None:
    limited = ProviderRateLimited("slow", provider="openai", retry_after_s=3.0)
    with pytest.raises(anthropic.RateLimitError) as caught:
        await Stage(raises(limited)).anthropic().messages.create(**HELLO)
    assert caught.value.response.headers["retry-after"] == "3"
    assert caught.value.error_code == "provider_rate_limited"
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        await Stage(raises(ContextLengthExceeded("by far"))).anthropic().messages.create(**HELLO)
    with pytest.raises(anthropic.NotFoundError):
        await Stage(says()).anthropic().messages.create(**HELLO | {"model": "claude-9"})


async def test_an_error_in_a_stream_is_its_last_event() -> None:
    script = play([Started("i", "m"), TextDelta("a")], ProviderOverloaded("busy", provider="anthropic"))
    stream = await Stage(script).anthropic().messages.create(**HELLO, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="busy") as caught:
        async for _ in stream:
            pass
    assert caught.value.type == "overloaded_error"


async def test_without_a_key_the_error_is_anthropics_too() -> None:
    stage = Stage(says())
    for headers, status in (({}, 401), ({"x-api-key": "wrong"}, 401), ({"x-api-key": KEY}, 200)):
        stage = Stage(says(Text("a")))
        stage.client._key = None
        response = await stage.client.request("POST", PATH, HELLO, headers=headers)
        assert response.status == status
        if status == 401:
            assert response.json()["error"]["type"] == "authentication_error"
    response = await stage.client.request("GET", PATH, headers={"x-api-key": KEY})
    assert (response.status, response.headers["allow"], response.json()["type"]) == (405, "POST", "error")
    response = await stage.client.request("GET", "/v1/messages/nothing", headers={"x-api-key": KEY})
    assert (response.status, response.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("model", MODELS)
async def test_tokens_are_counted_for_nothing(model: str) -> None:
    stage = Stage(says())
    tools: Any = [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]
    hello: Any = HELLO["messages"]
    short = await stage.anthropic().messages.count_tokens(model=model, messages=hello)
    with_tools = await stage.anthropic().messages.count_tokens(model=model, messages=hello, tools=tools)
    long = await stage.anthropic().messages.count_tokens(
        model=model, messages=[{"role": "user", "content": "word " * 20_000}]
    )
    assert 0 < short.input_tokens < with_tools.input_tokens < 100
    assert 19_000 < long.input_tokens < 30_000
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


async def test_tools_of_anthropics_own_are_for_its_models_and_what_is_left_out_is_told() -> None:
    bash = {"type": "bash_20250124", "name": "bash"}
    search = {"type": "web_search_20260209", "name": "web\r\nsearch"}
    for model, status in (("claude-haiku-4-5", 200), ("gpt-5.4-mini", 400), ("auto", 400)):
        body = HELLO | {"model": model, "tools": [bash, search]}
        stage = Stage(says(Text("a")))
        response = await stage.client.request("POST", PATH, body)
        assert response.status == status
        assert len(stage.providers.calls) == (status == 200)
        if status == 200:
            assert response.headers["x-polyvox-tools-left-out"] == "websearch"
            assert [tool.name for tool in stage.asked.request.tools] == ["bash"]


async def test_a_conversation_is_gone_on_with() -> None:
    stage, id = Stage(says(Text("Hello"))), "7f0c5f0e-1b7a-4f63-9a55-0d8a3f6f2f10"
    await stage.anthropic().messages.create(**HELLO, extra_headers={"x-polyvox-conversation-id": id})
    metadata: Any = {"conversation_id": id, "user_id": "someone"}
    again = HELLO | {"messages": [{"role": "user", "content": "and then?"}], "metadata": metadata}
    await stage.anthropic().messages.create(**again)
    assert [message.role for message in stage.asked.request.messages] == ["user", "assistant", "user"]
    assert stage.asked.request.end_user == "someone"
    assert stage.asked.request.provider_options == {}
