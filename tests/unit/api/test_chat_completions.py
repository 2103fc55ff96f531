"""`POST /v1/chat/completions` and its neighbours, as a client sees them, over doubles of the ports."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from deployments.api.app import MAX_BODY_BYTES, Api
from models.catalog import load_catalog
from models.chat import (
    ChatResponse,
    Chunk,
    Completed,
    Finished,
    Refusal,
    Started,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from models.doubles import InMemoryLedger, Script, ScriptedProviders, in_memory_context, play
from models.errors import (
    ContextLengthExceeded,
    Internal,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    Unauthenticated,
)
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from tests.asgi import Client

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
PATH = "/v1/chat/completions"
KEY = "pvx_test"
USAGE = Usage(input=100, cache_read=20, output=10, reasoning=4)
HELLO: dict[str, Any] = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}]}


class OneKey:
    async def authenticate(self, presented: str) -> Principal:
        if presented != KEY:
            raise Unauthenticated("that key is not known")
        return Principal("k", "u", "t")


class Stage:
    def __init__(self, script: Callable[[ProviderCall], Script]) -> None:
        self.providers = ScriptedProviders(script)
        self.ledger = InMemoryLedger()
        self.calls = OpenCalls(self.ledger)
        self.missing: dict[str, str] = {}
        gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(),
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self.gateway = gateway
        self.app = Api(
            gateway,
            OneKey(),
            unready=self.unready,
            sandboxed=frozenset({"google"}),
        )
        self.client = Client(self.app, key=KEY)

    async def unready(self) -> dict[str, str]:
        return self.missing


def says(*parts: Any, finish: Any = "stop") -> Callable[[ProviderCall], Script]:
    response = ChatResponse(
        id="i", model="m", parts=parts, finish=finish, usage=USAGE, service_tier="default"
    )
    return play([Completed(response)])


def streams(*chunks: Chunk, finish: Any = "stop") -> Callable[[ProviderCall], Script]:
    return play([Started("i", "m")], *([c] for c in chunks), [Finished(finish, USAGE)])


def raises(error: PolyvoxError) -> Callable[[ProviderCall], Script]:
    return play(error)


async def test_a_whole_answer() -> None:
    response = await Stage(says(Text("Hello"))).client.request("POST", PATH, HELLO)
    body = response.json()
    assert response.status == 200
    assert body["object"] == "chat.completion"
    assert body["model"] == "gpt-5.4-mini"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (120, 10, 130)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 20}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 4}
    assert response.headers["x-polyvox-model"] == "gpt-5.4-mini"
    assert response.headers["x-polyvox-request-id"] == "req_1"
    assert float(response.headers["x-polyvox-cost-usd"]) == usage["cost"] > 0


@pytest.mark.parametrize(
    ("parts", "finish", "message", "said"),
    [
        (
            (ToolCall("c1", "look", '{"a":1}'), ToolCall("c2", "look", "{")),
            "tool_calls",
            {
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{"}},
                ],
            },
            "tool_calls",
        ),
        ((Refusal("No."),), "refusal", {"content": "", "refusal": "No."}, "stop"),
        ((), "refusal", {"content": "", "refusal": None}, "content_filter"),
        ((), "length", {"content": ""}, "length"),
        ((Text("a"), Text("b")), "stop", {"content": "ab"}, "stop"),
    ],
)
async def test_what_an_answer_can_hold(parts: Any, finish: Any, message: dict[str, Any], said: str) -> None:
    body = (await Stage(says(*parts, finish=finish)).client.request("POST", PATH, HELLO)).json()
    choice = body["choices"][0]
    assert choice["finish_reason"] == said
    assert {k: choice["message"][k] for k in message} == message


async def test_a_stream() -> None:
    stage = Stage(streams(TextDelta("Hel"), TextDelta('lo "☂"')))
    response = await stage.client.request("POST", PATH, HELLO | {"stream": True})
    *chunks, done = response.events()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    assert response.ended
    deltas = [c["choices"][0]["delta"] for c in chunks]
    assert deltas[0]["role"] == "assistant"
    assert "".join(d.get("content") or "" for d in deltas) == 'Hello "☂"'
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None, None, None, "stop"]
    assert all("usage" not in c for c in chunks)
    assert {c["id"] for c in chunks} == {"chatcmpl-req_1"}


async def test_a_stream_with_usage_ends_with_it_and_its_cost() -> None:
    asked = HELLO | {"stream": True, "stream_options": {"include_usage": True}}
    response = await Stage(streams(TextDelta("x"))).client.request("POST", PATH, asked)
    *chunks, usage, done = response.events()
    assert done == "[DONE]"
    assert all(c["usage"] is None for c in chunks)
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 130
    assert usage["usage"]["cost"] > 0


async def test_tool_calls_stream_with_their_indexes() -> None:
    chunks = (
        ThinkingDelta("hm"),
        ToolCallStarted(0, "c1", "look"),
        ToolCallDelta(0, '{"a"'),
        ToolCallDelta(0, ":1}"),
        ToolCallStarted(1, "c2", "look", "{}"),
    )
    response = await Stage(streams(*chunks, finish="tool_calls")).client.request(
        "POST", PATH, HELLO | {"stream": True}
    )
    deltas = [c["choices"][0]["delta"] for c in response.events()[:-1]]
    calls = [d["tool_calls"][0] for d in deltas if "tool_calls" in d]
    assert [c["index"] for c in calls] == [0, 0, 0, 1]
    assert [c.get("id") for c in calls] == ["c1", None, None, "c2"]
    assert "".join(c["function"]["arguments"] for c in calls) == '{"a":1}{}'
    assert [d["reasoning_content"] for d in deltas if "reasoning_content" in d] == ["hm"]


async def test_a_stream_that_breaks_ends_with_a_typed_error_and_no_done() -> None:
    broken = ProviderUnavailable("the connection was cut", provider="openai")
    stage = Stage(play([Started("i", "m"), TextDelta("Hel")], broken))
    events = (await stage.client.request("POST", PATH, HELLO | {"stream": True})).events()
    assert events[-1]["error"]["code"] == "provider_unavailable"
    assert "[DONE]" not in events


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (ProviderRateLimited("slow down", status=429, retry_after_s=2.5), 429, "provider_rate_limited", "2"),
        (ProviderRefused("bad", status=400), 400, "provider_refused", None),
        (ContextLengthExceeded("too long", status=400), 400, "context_length_exceeded", None),
        (ProviderAuthFailed("no", status=401), 502, "provider_auth_failed", None),
        (Internal("PostgreSQL refuses a record"), 500, "internal_error", None),
        (ProviderOverloaded("busy", status=529), 503, "provider_overloaded", "1"),
        (ProviderUnavailable("500", status=500), 502, "provider_unavailable", "1"),
        (ProviderTimeout("late"), 504, "provider_timeout", "1"),
        (ProviderGarbled("what"), 502, "provider_garbled", "1"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_fails_first(
    error: PolyvoxError, status: int, code: str, headers: str | None, stream: bool
) -> None:
    response = await Stage(raises(error)).client.request("POST", PATH, HELLO | {"stream": stream})
    assert response.status == status
    assert response.json()["error"]["code"] == code
    assert response.headers.get("retry-after") == headers
    assert (response.headers.get("x-should-retry") == "false") == (status >= 500 and headers is None)
    assert "PostgreSQL" not in response.body.decode()


@pytest.mark.parametrize(
    ("body", "param", "says_"),
    [
        (b"", None, "not valid JSON"),
        (b"{", None, "not valid JSON"),
        (b"\xff\xfe", None, "not valid JSON"),
        (b"[" * 100_000, None, ""),
        (b"[]", None, "object"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', None, "model"),
        (HELLO | {"model": 7}, "model", "str"),
        (HELLO | {"model": ""}, "model", "length"),
        (HELLO | {"messages": []}, "messages", "length"),
        (HELLO | {"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "wizard"),
        (HELLO | {"messages": [{"role": "user"}]}, "messages[0]", "content"),
        (HELLO | {"messages": [{"role": "user", "content": []}]}, "messages[0].content", "no parts"),
        (HELLO | {"messages": [{"role": "user", "content": 5}]}, "messages[0].content", ""),
        (HELLO | {"temperature": 3}, "temperature", "2"),
        (HELLO | {"max_tokens": 0}, "max_tokens", "1"),
        (HELLO | {"n": 2}, "n", "not supported"),
        (HELLO | {"seed": 2**70}, "seed", ""),
        (HELLO | {"max_tokens": 2**70}, "max_tokens", ""),
        (HELLO | {"functions": [{"name": "f"}]}, "functions", "not supported"),
        (HELLO | {"model": "claude-haiku-4-5", "logprobs": True}, "logprobs", "no log probabilities"),
        (HELLO | {"stream": "yes"}, "stream", "bool"),
        (HELLO | {"tool_choice": "maybe"}, "tool_choice", "maybe"),
    ],
)
async def test_bad_input_is_a_400_that_names_the_field(body: Any, param: str | None, says_: str) -> None:
    stage = Stage(says(Text("x")))
    response = await stage.client.request("POST", PATH, body)
    error = response.json()["error"]
    assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert says_ in error["message"]
    assert stage.providers.calls == []


async def test_an_unknown_model_is_a_404_with_a_suggestion() -> None:
    response = await Stage(says()).client.request("POST", PATH, HELLO | {"model": "gpt-5.4-mni"})
    assert response.status == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert "gpt-5.4-mini" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "more",
    [
        {"store": True, "metadata": {"a": "b"}, "some_new_field": [1]},
        {"max_tokens": None, "tool_choice": None, "stop": [], "tools": [], "temperature": 1, "seed": None},
        {"function_call": "none", "logprobs": False, "n": 1, "stream_options": None},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}], "name": None}]},
        {"messages": [{"role": "assistant", "content": None, "reasoning_content": "hm"}]},
        {
            "messages": [
                {"role": "user", "content": "", "name": "ada"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c", "type": "function", "function": {"name": "f", "arguments": None}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"}]},
            ]
        },
    ],
)
async def test_what_clients_send_is_accepted(more: dict[str, Any]) -> None:
    assert (await Stage(says(Text("x"))).client.request("POST", PATH, HELLO | more)).status == 200


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_a_413_and_is_not_read_on(announced: bool) -> None:
    parts = [b"x" * 2**20] * 40
    stage = Stage(says(Text("x")))
    headers = {"content-length": str(40 * 2**20)} if announced else {}
    response = await stage.client.request("POST", PATH, iter(parts), headers=headers)
    assert response.status == 413
    assert response.json()["error"]["code"] == "payload_too_large"
    assert stage.client.read <= (0 if announced else MAX_BODY_BYTES // 2**20 + 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic cHZ4X3Rlc3Q="},
        {"authorization": "Bearer ñandú"},
        {"authorization": KEY},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", "/v1/models"), ("GET", "/nowhere")])
async def test_without_a_valid_key_everything_but_health_is_a_401(
    headers: dict[str, str], method: str, path: str
) -> None:
    stage = Stage(says(Text("x")))
    response = await Client(stage.app).request(method, path, HELLO, headers=headers)
    assert response.status == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert stage.providers.calls == []


async def test_health_needs_no_key_and_readiness_says_what_is_missing() -> None:
    stage = Stage(says())
    client = Client(stage.app)
    assert (await client.request("GET", "/healthz")).status == 200
    assert (await client.request("GET", "/readyz")).status == 200
    stage.missing = {"ledger": "gone"}
    response = await client.request("GET", "/readyz")
    assert response.status == 503
    assert response.json()["waiting_for"] == ["ledger"]


async def test_the_list_of_models() -> None:
    rows = (await Stage(says()).client.request("GET", "/v1/models")).json()["data"]
    by_id = {row["id"]: row for row in rows}
    assert {"auto", "auto:cheap", "auto:balanced", "auto:quality", "auto:fast"} <= set(by_id)
    assert by_id["gpt-5.4-mini"]["owned_by"] == "openai"
    assert by_id["gpt-5.4-mini"]["pricing"]["prompt"] > 0
    assert all(("simulated" in row) == (row["owned_by"] == "google") for row in rows)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", PATH, 405), ("POST", "/v1/nothing", 404)])
async def test_wrong_doors(method: str, path: str, status: int) -> None:
    response = await Stage(says()).client.request(method, path)
    assert response.status == status
    assert response.json()["error"]["message"]
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


async def test_a_bug_is_a_plain_500() -> None:
    def bug(_: ProviderCall) -> Script:
        raise RuntimeError("ray::Secret (pid=1, ip=10.0.0.1)")

    response = await Stage(bug).client.request("POST", PATH, HELLO)
    assert response.status == 500
    error = {"message": "internal error", "type": "server_error", "param": None, "code": "internal_error"}
    assert response.json()["error"] == error


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_provider_call(stream: bool) -> None:
    said = [[TextDelta("x")], [TextDelta("x")]] if stream else []
    stage = Stage(play(*said, asyncio.Event()))
    await stage.client.request("POST", PATH, HELLO | {"stream": stream}, leave_after=2 if stream else 0)
    assert stage.providers.left == stage.providers.calls != []
    await stage.calls.settle_all()
    assert [r.status for r in stage.ledger.records] == ["cancelled"]
