"""`/v1/responses` as OpenAI's SDK sees it, with any model behind it."""

import json
from itertools import count
from typing import Any

import openai
import pytest

from models.chat import (
    Chunk,
    Citation,
    Image,
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
)
from models.doubles import play
from models.errors import (
    BudgetExceeded,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from models.parts import json_text
from tests.unit.api.ways_in import KEY, MODELS, Stage, blocking, raises, says, streams

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "gpt-5.4-mini", "input": "hi"}
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
PATCH: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin"},
}
SEALED = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_reads_a_whole_answer(model: str) -> None:
    stage = Stage(says(Thinking("hm"), Text("Hel"), Text("lo"), ToolCall("call_1", "weather", "{}")))
    response = await stage.openai().responses.create(
        model=model, input="hi", instructions="Be brief.", tools=[WEATHER], store=False, metadata={"a": "b"}
    )
    assert (response.status, response.model, response.output_text) == ("completed", model, "Hello")
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    call = response.output[2]
    assert isinstance(call, openai.types.responses.ResponseFunctionToolCall)
    assert (call.call_id, call.name, call.arguments) == ("call_1", "weather", "{}")
    usage = response.usage
    assert usage is not None
    assert (usage.input_tokens, usage.input_tokens_details.cached_tokens) == (120, 20)
    assert (usage.output_tokens, usage.output_tokens_details.reasoning_tokens) == (10, 4)
    assert (response.instructions, response.metadata) == ("Be brief.", {"a": "b"})
    said: Any = response.to_dict()
    assert said["usage"]["cost"] > 0
    assert said["store"] is False
    assert [tool.type for tool in response.tools] == ["function"]
    [record] = stage.ledger.records
    assert (record.endpoint, record.model_id) == (PATH, model)
    assert stage.asked.request.provider_options == {}


def test_the_blocking_sdk_reads_answers_and_streams() -> None:
    with blocking(says(Text("Hello"))) as (_, http):
        client = openai.OpenAI(api_key=KEY, base_url="http://polyvox/v1", http_client=http)
        assert client.responses.create(**HELLO).output_text == "Hello"
    with blocking(streams(TextDelta("Hel"), TextDelta("lo"))) as (_, http):
        client = openai.OpenAI(api_key=KEY, base_url="http://polyvox/v1", http_client=http)
        with client.responses.stream(**HELLO) as stream:
            for _event in stream:
                pass
            assert stream.get_final_response().output_text == "Hello"


@pytest.mark.parametrize(
    ("parts", "finish", "content", "status", "reason"),
    [
        pytest.param(
            (Refusal("No."),),
            "refusal",
            [{"type": "refusal", "refusal": "No."}],
            "completed",
            None,
            id="a refusal",
        ),
        pytest.param(
            (Text("a", (Citation(title="T", url="https://x"), Citation(text="q"))),),
            "length",
            [
                {
                    "type": "output_text",
                    "text": "a",
                    "logprobs": [],
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url": "https://x",
                            "title": "T",
                            "start_index": 0,
                            "end_index": 1,
                        }
                    ],
                }
            ],
            "incomplete",
            "max_output_tokens",
            id="cut off, with a source",
        ),
        pytest.param((), "content_filter", None, "incomplete", "content_filter", id="nothing, filtered"),
    ],
)
async def test_parts_are_parts_of_a_message(
    parts: Any, finish: Any, content: Any, status: str, reason: str | None
) -> None:
    body = (await Stage(says(*parts, finish=finish)).client.request("POST", PATH, HELLO)).json()
    assert [item["content"] for item in body["output"]] == ([content] if content else [])
    assert body["status"] == status
    assert (body["incomplete_details"] or {}).get("reason") == reason


async def test_items_of_its_own_come_out_as_they_were_and_those_of_others_without_what_is_sealed() -> None:
    own = Thinking(opaque=(Opaque("openai_responses", "reasoning", json_text(SEALED)),))
    foreign = Thinking("hm", (Opaque("anthropic", "signature", "s"),))
    stage = Stage(says(own, foreign, Thinking(), Image("image/png", "aGk=")))
    body = (await stage.client.request("POST", PATH, HELLO)).json()
    first, second, third = body["output"]
    assert first == SEALED
    assert (second["summary"], "encrypted_content" in second) == (
        [{"type": "summary_text", "text": "hm"}],
        False,
    )
    assert (third["type"], third["result"]) == ("image_generation_call", "aGk=")


CHUNKS: list[Chunk] = [
    ThinkingDelta("hm, "),
    ThinkingDelta("well"),
    TextDelta("Hel"),
    TextDelta("lo"),
    RefusalDelta("No."),
    ToolCallStarted(0, "call_1", "weather"),
    ToolCallDelta(0, '{"city": '),
    ToolCallStarted(1, "call_2", "now", "{}"),
    ToolCallDelta(0, '"Bern"}'),
]


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_puts_a_stream_together(model: str) -> None:
    stage = Stage(streams(*CHUNKS, finish="tool_calls"))
    async with stage.openai().responses.stream(model=model, input="hi") as stream:
        seen = [event async for event in stream]
        response = await stream.get_final_response()
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert response.output_text == "Hello"
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(call.call_id, call.arguments) for call in calls] == [
        ("call_1", '{"city": "Bern"}'),
        ("call_2", "{}"),
    ]
    assert response.usage is not None
    assert response.usage.total_tokens == 130
    assert (seen[0].type, seen[-1].type) == ("response.created", "response.completed")


async def events(stage: Stage, body: dict[str, Any] = HELLO) -> list[Any]:
    response = await stage.client.request("POST", PATH, body | {"stream": True})
    blocks = [block.split("\n", 1) for block in response.body.decode().strip().split("\n\n")]
    read = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in read]
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    return read


async def test_events_are_typed_and_numbered() -> None:
    read = await events(
        Stage(streams(ThinkingDelta("hm"), TextDelta("a"), TextDelta("b"), RefusalDelta("c")))
    )
    assert [event["type"].removeprefix("response.") for event in read] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.get("output_index") for event in read[2:-1]] == [0] * 6 + [1] * 11
    assert [event["content_index"] for event in read if "content_index" in event] == [0] * 5 + [1] * 4
    [_, message] = read[-1]["response"]["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert read[-1]["response"]["usage"]["cost"] > 0


async def test_own_items_are_streamed_whole() -> None:
    sealed = Opaque("openai_responses", "reasoning", json_text(SEALED))
    read = await events(Stage(streams(OpaqueDelta(sealed), OpaqueDelta(Opaque("google", "block", "{}")))))
    assert [event["item"] for event in read if "item" in event] == [SEALED, SEALED]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_that_takes_a_text_is_a_function_to_whoever_answers(stream: bool) -> None:
    written = '{"input": "*** Begin Patch"}'
    script = (
        streams(ToolCallStarted(0, "c", "apply_patch"), ToolCallDelta(0, written), finish="tool_calls")
        if stream
        else says(ToolCall("c", "apply_patch", written), finish="tool_calls")
    )
    stage, body = Stage(script), HELLO | {"tools": [PATCH]}
    if stream:
        read = await events(stage, body)
        assert [e.get("delta") or e.get("input") for e in read if "custom" in e["type"]] == [
            "*** Begin Patch"
        ] * 2
        [item] = read[-1]["response"]["output"]
    else:
        [item] = (await stage.client.request("POST", PATH, body)).json()["output"]
    assert (item["type"], item["call_id"], item["input"]) == ("custom_tool_call", "c", "*** Begin Patch")
    [tool] = stage.asked.request.tools
    assert not tool.freeform
    assert "lark grammar:\nstart: begin" in tool.description


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_of_a_namespace_are_functions_with_both_names(stream: bool) -> None:
    made: Any = [ToolCallStarted(0, "c", "crm__find", "{}")] if stream else [ToolCall("c", "crm__find", "{}")]
    stage = Stage((streams if stream else says)(*made, finish="tool_calls"))
    find = {"type": "function", "name": "find", "parameters": {"type": "object"}}
    earlier = {"type": "function_call", "call_id": "b", "name": "find", "namespace": "crm", "arguments": "{}"}
    body = HELLO | {
        "tools": [
            {"type": "namespace", "name": "crm", "description": "d", "tools": [find]},
            {"type": "web_search"},
        ],
        "input": [earlier, {"type": "function_call_output", "call_id": "b", "output": "x"}],
    }
    if stream:
        read = await events(stage, body)
        [item] = read[-1]["response"]["output"]
        assert read[2]["item"] == item | {"arguments": "", "status": "in_progress"}
    else:
        response = await stage.client.request("POST", PATH, body)
        assert response.headers["x-polyvox-tools-left-out"] == "web_search"
        [item] = response.json()["output"]
        assert response.json()["tools"] == body["tools"]
    assert (item["namespace"], item["name"], item["call_id"]) == ("crm", "find", "c")
    request = stage.asked.request
    assert [tool.name for tool in request.tools] == ["crm__find"]
    [call] = request.messages[0].parts
    assert isinstance(call, ToolCall)
    assert call.name == "crm__find"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"input": []}, "input"),
        ({"model": None}, "model"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"conversation": "conv_1"}, "metadata.conversation_id"),
        (
            {"conversation": "7f0c5f0e-1b7a-4f63-9a55-0d8a3f6f2f10", "previous_response_id": "resp_1"},
            "previous_response_id",
        ),
    ],
)
async def test_what_cannot_be_carried_is_refused_before_anybody_is_asked(
    body: dict[str, Any], field: str
) -> None:
    stage = Stage(says(Text("a")))
    response = await stage.client.request("POST", PATH, HELLO | body)
    assert (response.status, response.json()["error"]["param"]) == (400, field)
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


async def test_options_of_openai_are_handed_on_and_what_it_would_keep_is_not() -> None:
    stage = Stage(says(Text("a")))
    body = HELLO | {"prompt_cache_key": "k", "store": True, "metadata": {"a": "b"}, "truncation": "auto"}
    assert (await stage.client.request("POST", PATH, body)).status == 200
    assert stage.asked.request.provider_options == {"openai": {"prompt_cache_key": "k"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ProviderRefused("bad", provider="openai", status=400), 400, openai.BadRequestError),
        (ProviderAuthFailed("no", provider="openai", status=401), 502, openai.InternalServerError),
        (BudgetExceeded("spent"), 402, openai.APIStatusError),
        (ProviderRateLimited("slow", provider="openai", retry_after_s=7.0), 429, openai.RateLimitError),
        (ProviderUnavailable("gone", provider="openai", status=500), 502, openai.InternalServerError),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_errors_are_openais(error: Any, status: int, kind: Any, stream: bool) -> None:
    with pytest.raises(kind) as caught:
        await Stage(raises(error)).openai().responses.create(**HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, error.code)
    assert caught.value.request_id.startswith("req_")
    if error.retry_after_s:
        assert caught.value.response.headers["retry-after"] == "7"


async def test_an_error_in_a_stream_is_its_last_event() -> None:
    slow = ProviderRateLimited("slow", provider="openai")
    read = await events(Stage(play([Started("i", "m"), TextDelta("a")], slow)))
    error, failed = read[-2:]
    assert (error["type"], error["code"], error["message"]) == ("error", "provider_rate_limited", "slow")
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow"}
    script = play([Started("i", "m"), TextDelta("a")], ProviderOverloaded("busy", provider="openai"))
    kinds = [e.type async for e in await Stage(script).openai().responses.create(**HELLO, stream=True)]
    assert kinds[-1] == "response.failed"


def numbered() -> Any:
    """Another answer each time."""
    numbers = count(1)
    return lambda call: says(Text(f"answer {next(numbers)}"))(call)


def told(stage: Stage) -> list[str]:
    return ["".join(getattr(p, "text", "") for p in m.parts) for m in stage.asked.request.messages]


async def test_a_response_is_gone_on_from_read_and_deleted() -> None:
    stage = Stage(numbered())
    responses = stage.openai().responses
    first = await responses.create(model="gpt-5.4-mini", input="one")
    second = await responses.create(model="claude-haiku-4-5", input="two", previous_response_id=first.id)
    assert told(stage) == ["one", "answer 1", "two"]
    assert second.previous_response_id == first.id
    kept = await responses.retrieve(second.id)
    assert (kept.id, kept.output_text, kept.model) == (second.id, "answer 2", "claude-haiku-4-5")
    assert kept.output[0].id == second.output[0].id
    assert kept.previous_response_id == first.id
    assert kept.usage is not None
    assert kept.usage.output_tokens == 10
    with pytest.raises(openai.ConflictError):
        await responses.delete(second.id)
    alone = await responses.create(**HELLO)
    await responses.delete(alone.id)
    with pytest.raises(openai.NotFoundError):
        await responses.retrieve(alone.id)


async def test_from_one_response_several_ways_lead_on() -> None:
    stage = Stage(numbered())
    responses = stage.openai().responses
    first = await responses.create(**HELLO | {"input": "one"})
    second = await responses.create(**HELLO | {"input": "two"}, previous_response_id=first.id)
    other = await responses.create(**HELLO | {"input": "other"}, previous_response_id=first.id)
    assert told(stage) == ["one", "answer 1", "other"]
    await responses.create(**HELLO | {"input": "three"}, previous_response_id=second.id)
    assert told(stage) == ["one", "answer 1", "two", "answer 2", "three"]
    await responses.create(**HELLO | {"input": "more"}, previous_response_id=other.id)
    assert told(stage) == ["one", "answer 1", "other", "answer 3", "more"]


async def test_what_is_not_to_be_kept_is_not() -> None:
    stage = Stage(numbered())
    responses = stage.openai().responses
    first = await responses.create(**HELLO, store=False)
    with pytest.raises(openai.NotFoundError):
        await responses.create(**HELLO, previous_response_id=first.id)
    kept = await responses.create(**HELLO | {"input": "one"})
    on = await responses.create(**HELLO | {"input": "two"}, previous_response_id=kept.id, store=False)
    assert told(stage) == ["one", "answer 2", "two"]
    with pytest.raises(openai.NotFoundError):
        await responses.retrieve(on.id)
    await responses.create(**HELLO | {"input": "again"}, previous_response_id=kept.id)
    assert told(stage) == ["one", "answer 2", "again"]


async def test_a_response_may_be_of_a_conversation() -> None:
    stage, id = Stage(numbered()), "7f0c5f0e-1b7a-4f63-9a55-0d8a3f6f2f10"
    responses = stage.openai().responses
    first = await responses.with_raw_response.create(**HELLO | {"input": "one"}, conversation={"id": id})
    assert first.headers["x-polyvox-conversation-id"] == id
    await responses.create(**HELLO | {"input": "two"}, metadata={"conversation_id": id})
    last = await responses.create(**HELLO | {"input": "three"}, conversation=id)
    assert told(stage) == ["one", "answer 1", "two", "answer 2", "three"]
    await responses.create(**HELLO | {"input": "four"}, previous_response_id=last.id)
    assert told(stage)[-3:] == ["three", "answer 3", "four"]


@pytest.mark.parametrize("id", ["resp_1", "nonsense", "resp_" + "0" * 32 + "_1", "resp_" + "0" * 32])
async def test_what_there_is_not_is_not_found(id: str) -> None:
    responses = Stage(says(Text("a"))).openai().responses
    for asking in (
        lambda: responses.retrieve(id),
        lambda: responses.delete(id),
        lambda: responses.create(**HELLO, previous_response_id=id),
    ):
        with pytest.raises(openai.NotFoundError):
            await asking()


async def test_tool_results_go_to_the_response_that_called() -> None:
    answers = iter([says(ToolCall("c1", "weather", "{}"), finish="tool_calls"), says(Text("fine"))])
    stage = Stage(lambda call: next(answers)(call))
    responses = stage.openai().responses
    first = await responses.create(**HELLO, tools=[WEATHER])
    result: Any = [{"type": "function_call_output", "call_id": "c1", "output": "sun"}]
    second = await responses.create(
        model="gpt-5.4-mini", input=result, previous_response_id=first.id, tools=[WEATHER]
    )
    assert second.output_text == "fine"
    assert [message.role for message in stage.asked.request.messages] == ["user", "assistant", "tool"]


async def test_tokens_are_counted_for_nothing() -> None:
    stage = Stage(says())
    counted = await stage.openai().responses.input_tokens.count(model="gpt-5.4-mini", input="hi")
    assert 0 < counted.input_tokens < 30
    assert stage.providers.calls == []
