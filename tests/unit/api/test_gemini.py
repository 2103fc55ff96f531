"""Google's `generateContent` as its SDK sees it, with any model behind it."""

import json
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError, ServerError

from models.chat import (
    Chunk,
    Citation,
    Image,
    Native,
    Opaque,
    OpaqueDelta,
    Refusal,
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
    ProviderTimeout,
    ProviderUnavailable,
)
from models.parts import MADE_ID
from tests.unit.api.ways_in import KEY, MODELS, Stage, blocking, raises, says, streams

HI: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
SIGNED = Opaque("google", "thought_signature", "c2ln")
RUN = {"executableCode": {"language": "PYTHON", "code": "1"}}


def path(method: str = "generateContent", *, model: str = "gemini-3.5-flash", version: str = "v1beta") -> str:
    return f"/{version}/models/{model}:{method}"


@pytest.mark.parametrize("version", [None, "v1beta"])
@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_reads_a_whole_answer(model: str, version: str | None) -> None:
    stage = Stage(says(Thinking("hm"), Text("Hello")))
    options = {"api_version": version} if version else {}
    answer = await stage.google(**options).aio.models.generate_content(model=model, contents="hi")
    assert (answer.text, answer.model_version) == ("Hello", model)
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.candidates[0].content is not None
    thought = (answer.candidates[0].content.parts or [])[0]
    assert (thought.text, thought.thought) == ("hm", True)
    usage = answer.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (120, 20)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (6, 4, 130)
    [record] = stage.ledger.records
    assert (record.endpoint, record.model_id) == (
        f"/{version or 'v1'}/models/{{model}}:generateContent",
        model,
    )


def test_the_blocking_sdk_reads_answers_and_streams() -> None:
    call = ToolCall("call_1", "weather", '{"city": "Bern"}')
    with blocking(says(Text("Hello"), call, finish="tool_calls")) as (_, http):
        answer = client(http).models.generate_content(model="gpt-5.4-mini", contents="hi")
        assert [(c.id, c.name, c.args) for c in answer.function_calls or []] == [
            ("call_1", "weather", {"city": "Bern"})
        ]
    with blocking(streams(TextDelta("Hel"), TextDelta("lo"))) as (_, http):
        stream = client(http).models.generate_content_stream(model="claude-haiku-4-5", contents="hi")
        assert "".join(chunk.text or "" for chunk in stream) == "Hello"


def client(http: Any) -> genai.Client:
    options = types.HttpOptions(base_url="http://polyvox", httpx_client=http)
    return genai.Client(api_key=KEY, http_options=options)


@pytest.mark.parametrize(
    ("parts", "finish", "said", "reason"),
    [
        pytest.param(
            (Thinking("hm", (SIGNED,)), Text("a", opaque=(SIGNED,))),
            "stop",
            [
                {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                {"text": "a", "thoughtSignature": "c2ln"},
            ],
            "STOP",
            id="signatures of its own",
        ),
        pytest.param(
            (Thinking("hm", (Opaque("anthropic", "signature", "s"),)),),
            "stop",
            [{"text": "hm", "thought": True}],
            "STOP",
            id="foreign thinking without one",
        ),
        pytest.param(
            (
                ToolCall("x", "f", "{}", (SIGNED, Opaque("google", MADE_ID, "true"))),
                ToolCall("y", "g", '{"n":1}'),
            ),
            "tool_calls",
            [
                {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "g", "args": {"n": 1}, "id": "y"}},
            ],
            "STOP",
            id="calls, with ids unless it gave none itself",
        ),
        pytest.param((Native(Opaque("google", "block", json.dumps(RUN))),), "stop", [RUN], "STOP", id="own"),
        pytest.param(
            (Image("image/png", "aGk="),),
            "stop",
            [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
            "STOP",
            id="a picture",
        ),
        pytest.param((Refusal("No."),), "refusal", [{"text": "No."}], "SAFETY", id="a refusal"),
        pytest.param((), "content_filter", [{"text": ""}], "SAFETY", id="nothing, filtered"),
        pytest.param((Text("a"),), "length", [{"text": "a"}], "MAX_TOKENS", id="cut off"),
    ],
)
async def test_parts_are_parts(parts: Any, finish: Any, said: Any, reason: str) -> None:
    body = (await Stage(says(*parts, finish=finish)).client.request("POST", path(), HI)).json()
    [candidate] = body["candidates"]
    assert candidate["content"] == {"parts": said, "role": "model"}
    assert candidate["finishReason"] == reason
    assert body["usageMetadata"]["cost"] > 0


async def test_sources_are_grounding() -> None:
    stage = Stage(says(Text("a", (Citation(title="T", url="https://x"), Citation(text="q")))))
    answer = await stage.google().aio.models.generate_content(model="gemini-3.5-flash", contents="hi")
    assert answer.candidates is not None
    grounding = answer.candidates[0].grounding_metadata
    assert grounding is not None
    assert [chunk.web.uri for chunk in grounding.grounding_chunks or [] if chunk.web] == ["https://x"]


CHUNKS: list[Chunk] = [
    ThinkingDelta("hm"),
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolCallStarted(0, "call_1", "weather"),
    ToolCallDelta(0, '{"city": '),
    ToolCallStarted(1, "call_2", "now", "{}"),
    ToolCallDelta(0, '"Bern"}'),
]


@pytest.mark.parametrize("model", MODELS)
async def test_the_sdk_puts_a_stream_together(model: str) -> None:
    stage = Stage(streams(*CHUNKS, finish="tool_calls"))
    stream = await stage.google().aio.models.generate_content_stream(model=model, contents="hi")
    text, calls, last = "", [], None
    async for chunk in stream:
        parts = (chunk.candidates or [])[0].content
        text += "".join(p.text or "" for p in (parts.parts if parts else None) or [] if not p.thought)
        calls += [(call.id, call.name, call.args) for call in chunk.function_calls or []]
        last = chunk
    assert text == "Hello"
    assert calls == [("call_1", "weather", {"city": "Bern"}), ("call_2", "now", {})]
    assert last is not None
    assert last.usage_metadata is not None
    assert last.usage_metadata.total_token_count == 130
    assert (last.candidates or [])[0].finish_reason == types.FinishReason.STOP


async def test_without_sse_a_stream_is_one_array() -> None:
    response = await Stage(streams(*CHUNKS)).client.request("POST", path("streamGenerateContent"), HI)
    assert response.headers["content-type"] == "application/json"
    answers = response.json()
    assert answers[0]["candidates"][0]["content"]["parts"] == [{"text": "hm", "thought": True}]
    assert [answer for answer in answers if "usageMetadata" in answer] == answers[-1:]
    assert answers[-1]["candidates"][0]["finishReason"] == "STOP"


async def test_an_array_that_fails_ends_with_the_error() -> None:
    busy = ProviderOverloaded("busy", provider="google")
    for before in ([Started("i", "m"), TextDelta("a")], [Started("i", "m"), ToolCallStarted(0, "c", "f")]):
        stage = Stage(play(before, busy))
        response = await stage.client.request("POST", path("streamGenerateContent"), HI)
        assert response.json()[-1]["error"]["status"] == "UNAVAILABLE"


async def test_an_error_in_a_stream_is_raised_by_the_sdk() -> None:
    script = play([Started("i", "m"), TextDelta("a")], ProviderOverloaded("busy", provider="google"))
    stream = (
        await Stage(script)
        .google()
        .aio.models.generate_content_stream(model="gemini-3.5-flash", contents="hi")
    )
    with pytest.raises(APIError, match="busy"):
        async for _ in stream:
            pass


async def test_a_signature_rides_on_the_part_that_it_came_with() -> None:
    script = play(
        [Started("i", "m")],
        [TextDelta("a"), OpaqueDelta(SIGNED)],
        [TextDelta(""), OpaqueDelta(SIGNED)],
        [TextDelta("")],
        [OpaqueDelta(Opaque("anthropic", "signature", "s"))],
        [OpaqueDelta(Opaque("google", "block", json.dumps(RUN)))],
        *streams()(None),
    )
    response = await Stage(script).client.request("POST", path("streamGenerateContent"), HI)
    parts = [part for answer in response.json() for part in answer["candidates"][0]["content"]["parts"]]
    assert parts == [
        {"text": "a", "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        RUN,
        {"text": ""},
    ]


@pytest.mark.parametrize(
    ("error", "status", "named", "kind"),
    [
        (ProviderRefused("bad", provider="google", status=400), 400, "INVALID_ARGUMENT", ClientError),
        (ProviderAuthFailed("no", provider="google", status=403), 502, "UNAVAILABLE", ServerError),
        (BudgetExceeded("spent"), 402, "RESOURCE_EXHAUSTED", ClientError),
        (
            ProviderRateLimited("slow", provider="google", retry_after_s=7.0),
            429,
            "RESOURCE_EXHAUSTED",
            ClientError,
        ),
        (ProviderUnavailable("gone", provider="google", status=500), 502, "UNAVAILABLE", ServerError),
        (ProviderOverloaded("busy", provider="google", status=503), 503, "UNAVAILABLE", ServerError),
        (ProviderTimeout("late", provider="google"), 504, "DEADLINE_EXCEEDED", ServerError),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_errors_are_googles(error: Any, status: int, named: str, kind: type[APIError]) -> None:
    stage = Stage(raises(error))
    with pytest.raises(kind) as caught:
        await stage.google().aio.models.generate_content(model="gemini-3.5-flash", contents="hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (status, named, error.message)
    info, *more = caught.value.details["error"]["details"]
    assert info["reason"] == error.code.upper()
    if error.retry_after_s:
        assert more == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
        response = await stage.client.request("POST", path(), HI)
        assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"tools": [{"googleSearch": {}}]}, "tools"),
        ({"generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        ({"generation_config": {"response_modalities": ["AUDIO"]}}, "generation_config.response_modalities"),
        ({"contents": []}, "contents"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
    ],
)
async def test_what_cannot_be_carried_is_refused_before_anybody_is_asked(
    body: dict[str, Any], field: str
) -> None:
    stage = Stage(says(Text("a")))
    response = await stage.client.request("POST", path(), HI | body)
    error = response.json()["error"]
    assert (response.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["metadata"]["param"] == field
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


async def test_unknown_fields_go_to_google_alone_and_what_is_private_to_nobody() -> None:
    stage = Stage(says(Text("a")))
    body = HI | {
        "safetySettings": [{"category": "X"}],
        "labels": {"team": "a"},
        "generationConfig": {"mediaResolution": "LOW", "temperature": 0.5},
    }
    assert (await stage.client.request("POST", path(), body)).status == 200
    request = stage.asked.request
    assert request.temperature == 0.5
    assert request.provider_options == {
        "google": {"safetySettings": [{"category": "X"}], "generationConfig": {"mediaResolution": "LOW"}}
    }


async def test_a_tool_that_a_provider_runs_is_left_out_where_there_are_others() -> None:
    stage = Stage(says(Text("a")))
    tools = [{"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}]
    response = await stage.client.request("POST", path(), HI | {"tools": tools})
    assert (response.status, response.headers["x-polyvox-tools-left-out"]) == (200, "googleSearch")
    assert [tool.name for tool in stage.asked.request.tools] == ["f"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic:claude-haiku-4-5", "claude-haiku-4-5"),
        ("openai/gpt-5.4-mini", "gpt-5.4-mini"),
        ("auto:cheap", None),
    ],
)
async def test_any_name_of_a_model_will_do(name: str, model: str | None) -> None:
    stage = Stage(says(Text("a")))
    response = await stage.client.request("POST", path(model=name), HI)
    assert response.status == 200
    assert model in (None, response.json()["modelVersion"])


@pytest.mark.parametrize("model", MODELS)
async def test_tokens_are_counted_for_nothing(model: str) -> None:
    stage = Stage(says())
    counted = await stage.google().aio.models.count_tokens(model=model, contents="hi")
    assert 0 < (counted.total_tokens or 0) < 30
    wrapped = {"generateContentRequest": HI | {"model": f"models/{model}"}}
    response = await stage.client.request("POST", path("countTokens", model=model), wrapped)
    assert response.json() == {"totalTokens": counted.total_tokens}
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


async def test_who_calls_and_what_is_called_are_checked_in_googles_words() -> None:
    stage = Stage(says(Text("a")))
    with pytest.raises(ClientError) as caught:
        await stage.google(key="wrong").aio.models.generate_content(model="gpt", contents="hi")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    with pytest.raises(ClientError) as caught:
        await stage.google().aio.models.generate_content(model="gemini-9", contents="hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


async def test_a_key_in_the_query_will_do_and_is_not_said_again() -> None:
    http = Stage(says(Text("a"))).http()
    for key, status in ((KEY, 200), ("wrong", 401), ("%ff", 401)):
        response = await http.post(f"{path()}?alt=json&key={key}", json=HI)
        assert response.status_code == status
        assert key not in response.text
    assert (await http.post(path(), json=HI)).json()["error"]["status"] == "UNAUTHENTICATED"


async def test_a_conversation_is_gone_on_with() -> None:
    stage, id = Stage(says(Text("Hello"))), "7f0c5f0e-1b7a-4f63-9a55-0d8a3f6f2f10"
    http, key = stage.http(), {"x-goog-api-key": KEY}
    await http.post(path(), json=HI | {"metadata": {"conversation_id": id}}, headers=key)
    named = key | {"x-polyvox-conversation-id": id}
    await http.post(path(model="claude-haiku-4-5"), json={"contents": "and then?"}, headers=named)
    assert [message.role for message in stage.asked.request.messages] == ["user", "assistant", "user"]
