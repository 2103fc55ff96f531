"""Whatever a client sends gets an answer of the provider's shape, and only what was answered is billed."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.sandbox.exchange import Request
from deployments.sandbox.meter import Meter
from deployments.sandbox.service import Service, resolve

HEADERS = {b"authorization": b"Bearer k", b"anthropic-version": b"2026-10-21"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
BODIES: dict[str, Any] = {
    "/v1/chat/completions": {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "[[tool:weather]]"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["x"],
        "max_tokens": 99,
    },
    "/v1/responses": {
        "model": "gpt-5.5",
        "instructions": "i",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [{"type": "input_text", "text": "sunny"}],
            },
        ],
        "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}],
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "max_output_tokens": 99,
    },
    "/v1/messages": {
        "model": "claude-haiku-4-5",
        "max_tokens": 2000,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
        ],
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "disabled"},
        "output_config": {"effort": "low"},
        "stop_sequences": ["x"],
    },
    "/v1/models/gemini-2.5-pro:generateContent": {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "weather", "response": {"output": "x"}}}],
            },
        ],
        "tools": [{"function_declarations": [{"name": "weather", "parameters": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {
            "maxOutputTokens": 99,
            "stopSequences": ["x"],
            "thinkingConfig": {"thinking_budget": 1},
        },
    },
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": ["a"], "dimensions": 8},
    "/v1/models/gemini-embedding-001:batchEmbedContents": {
        "requests": [{"content": {"parts": [{"text": "a"}]}}]
    },
}

JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 1.5, "", "x", [], ["x"], [1], [None], {}, {"type": "x"}, [{}], {"x": {"x": 1}}]
)


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(path for key, each in inner for path in paths(each, (*at, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = node.copy()
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("path", BODIES)
def test_the_whole_request_is_fine(path: str) -> None:
    plan = Service(Meter(None)).plan(Request("POST", path, "", HEADERS, orjson.dumps(BODIES[path])))
    assert plan.status == 200, plan.body
    assert plan.bill is not None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_broken_request_is_answered_and_a_refused_one_is_free(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    at = data.draw(st.sampled_from(paths(BODIES[path])))
    body = replaced(BODIES[path], at, data.draw(JUNK))
    plan = Service(Meter(None)).plan(Request("POST", path, "", HEADERS, orjson.dumps(body)))
    if plan.script is not None:
        assert len(list(plan.script.frames)) == plan.script.count
        assert plan.script.tail()
    else:
        assert isinstance(orjson.loads(plan.body), dict)
    assert (plan.status == 200) == (plan.bill is not None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": "\\ud800"}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert Service(Meter(None)).plan(Request("POST", "/v1/messages", "", HEADERS, body)).status == 400


GOOGLE = {b"x-goog-api-key": b"k"}
ANTHROPIC = {b"anthropic-version": b"v"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("POST", "/v1/chat/completions", {}, ("openai", "chat", "")),
        ("POST", "/openai/v1/responses", {}, ("openai", "responses", "")),
        ("POST", "/anthropic/v1/messages", {}, ("anthropic", "messages", "")),
        ("POST", "/v1/messages/count_tokens", {}, ("anthropic", "count_tokens", "")),
        ("POST", "/google/v1beta/models/m-1:streamGenerateContent", {}, ("google", "generate", "m-1")),
        ("POST", "/v1/models/m-1:countTokens", {}, ("google", "count_tokens", "m-1")),
        ("GET", "/v1/models", {}, ("openai", "models", "")),
        ("GET", "/v1/models", ANTHROPIC, ("anthropic", "models", "")),
        ("GET", "/v1/models", GOOGLE, ("google", "models", "")),
        ("GET", "/v1beta/models", {}, ("google", "models", "")),
        ("GET", "/anthropic/v1/models", {}, ("anthropic", "models", "")),
    ],
)
def test_routes(method: str, path: str, headers: dict[bytes, bytes], expected: tuple[str, str, str]) -> None:
    found = resolve(Request(method, path, "", headers, b""))
    assert found is not None
    assert (found[0].provider, found[0].endpoint, found[1]) == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("POST", "/openai/v1/messages"),
        ("POST", "/openai/v1/models/m:generateContent"),
        ("POST", "/v1/models/m:unknown"),
        ("GET", "/"),
    ],
)
def test_what_is_no_route(method: str, path: str) -> None:
    assert resolve(Request(method, path, "", {}, b"")) is None
