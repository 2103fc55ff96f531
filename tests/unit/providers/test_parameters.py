"""What a request's parameters and tools become at each provider."""

from typing import Any

import pytest

from models.chat import (
    Reasoning,
    ResponseFormat,
    Tool,
    ToolCall,
    ToolChoice,
)
from tests.unit.providers.requests import LOOK, SCHEMA, anthropic, ask, google, openai, result, say

PARAMETERS: list[tuple[str, dict[str, Any], Any, str, dict[str, Any]]] = [
    ("a whole number of limits", {"max_tokens": 9}, openai, "gpt-4o", {"max_completion_tokens": 9}),
    ("the older name", {"max_tokens": 9}, openai, "llama3", {"max_tokens": 9}),
    ("no temperature on reasoning models", {"temperature": 0.5, "seed": 1}, openai, "gpt-5.5", {"seed": 1}),
    ("temperature", {"temperature": 3.0}, openai, "gpt-4o", {"temperature": 2.0}),
    ("four stops", {"stop": ("a", "b", "c", "d", "e")}, openai, "gpt-4o", {"stop": ["a", "b", "c", "d"]}),
    ("no stops on reasoning models", {"stop": ("a",)}, openai, "gpt-5.5", {}),
    ("effort", {"reasoning": Reasoning("xhigh")}, openai, "o3", {"reasoning_effort": "high"}),
    ("effort none", {"reasoning": Reasoning("none")}, openai, "gpt-5.1", {"reasoning_effort": "none"}),
    (
        "a little is not none",
        {"reasoning": Reasoning("minimal")},
        openai,
        "gpt-5.1",
        {"reasoning_effort": "low"},
    ),
    (
        "a small budget is not none",
        {"reasoning": Reasoning(budget_tokens=200)},
        openai,
        "gpt-5.1",
        {"reasoning_effort": "low"},
    ),
    (
        "effort of a budget",
        {"reasoning": Reasoning(None, 9_000)},
        openai,
        "o3",
        {"reasoning_effort": "medium"},
    ),
    ("no effort without reasoning", {"reasoning": Reasoning("high")}, openai, "gpt-4o", {}),
    ("verbosity", {"verbosity": "low"}, openai, "gpt-5.5", {"verbosity": "low"}),
    ("user", {"end_user": "u1"}, openai, "gpt-4o", {"user": "u1"}),
    ("tier", {"service_tier": "flex"}, openai, "gpt-4o", {"service_tier": "flex"}),
    ("no tier elsewhere", {"service_tier": "flex"}, openai, "llama3", {}),
    (
        "stream",
        {"stream": True},
        openai,
        "gpt-4o",
        {"stream": True, "stream_options": {"include_usage": True}},
    ),
    (
        "own options, but not what decides price and protocol",
        {"provider_options": {"openai": {"store": True, "n": 9, "model": "x"}, "google": {"no": 1}}},
        openai,
        "gpt-4o",
        {"store": True},
    ),
    ("required limit", {}, anthropic, "claude-opus-5-5", {"max_tokens": 64_000}),
    (
        "at most the model's limit",
        {"max_tokens": 99_999},
        anthropic,
        "claude-opus-5-5",
        {"max_tokens": 64_000},
    ),
    ("no sampling", {"temperature": 0.5, "top_k": 3}, anthropic, "claude-opus-4-8", {"max_tokens": 64_000}),
    (
        "sampling",
        {"temperature": 1.5, "top_p": 0.5, "max_tokens": 9},
        anthropic,
        "claude-sonnet-4-5",
        {"max_tokens": 9, "temperature": 1.0},
    ),
    (
        "stops that show",
        {"stop": ("\n", "END"), "max_tokens": 9},
        anthropic,
        "claude-opus-5-5",
        {"max_tokens": 9, "stop_sequences": ["END"]},
    ),
    (
        "adaptive thinking",
        {"reasoning": Reasoning("minimal", include_thoughts=True), "max_tokens": 9},
        anthropic,
        "claude-opus-5-5",
        {
            "max_tokens": 9,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "low"},
        },
    ),
    (
        "thinking off",
        {"reasoning": Reasoning("none"), "max_tokens": 9},
        anthropic,
        "claude-opus-4-8",
        {"max_tokens": 9, "thinking": {"type": "disabled"}},
    ),
    (
        "a thinking budget below the limit, without sampling",
        {"reasoning": Reasoning("high"), "max_tokens": 4_000, "temperature": 0.2},
        anthropic,
        "claude-haiku-4-5",
        {"max_tokens": 4_000, "thinking": {"type": "enabled", "budget_tokens": 3_999}},
    ),
    (
        "the cache is warmed with no output",
        {"max_tokens": 0},
        anthropic,
        "claude-opus-5-5",
        {"max_tokens": 0},
    ),
    (
        "no sampling beside thinking",
        {"reasoning": Reasoning("high"), "temperature": 0.2, "max_tokens": 9},
        anthropic,
        "claude-opus-4-6",
        {"max_tokens": 9, "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    ),
    (
        "no room for thinking",
        {"reasoning": Reasoning("high"), "max_tokens": 500},
        anthropic,
        "claude-haiku-4-5",
        {"max_tokens": 500},
    ),
    (
        "identity and tier",
        {"end_user": "u1", "service_tier": "default", "max_tokens": 9},
        anthropic,
        "claude-opus-5-5",
        {"max_tokens": 9, "metadata": {"user_id": "u1"}, "service_tier": "standard_only"},
    ),
    (
        "sampling",
        {"temperature": 0.5, "top_k": 3, "max_tokens": 9, "stop": ("a",)},
        google,
        "gemini-2.5-flash",
        {"generationConfig": {"temperature": 0.5, "topK": 3, "maxOutputTokens": 9, "stopSequences": ["a"]}},
    ),
    ("no sampling", {"temperature": 0.5}, google, "gemini-3.7-flash", {}),
    (
        "level",
        {"reasoning": Reasoning("max", include_thoughts=True)},
        google,
        "gemini-3.5-flash",
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}},
    ),
    (
        "budget",
        {"reasoning": Reasoning("none")},
        google,
        "gemini-2.5-flash",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
    ),
    (
        "least budget",
        {"reasoning": Reasoning("none")},
        google,
        "gemini-2.5-pro",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 128}}},
    ),
    (
        "own options beside ours",
        {
            "max_tokens": 9,
            "provider_options": {
                "google": {
                    "generationConfig": {"maxOutputTokens": 99, "mediaResolution": "LOW"},
                    "labels": {"a": "b"},
                }
            },
        },
        google,
        "gemini-3.5-flash",
        {"generationConfig": {"maxOutputTokens": 9, "mediaResolution": "LOW"}, "labels": {"a": "b"}},
    ),
]


@pytest.mark.parametrize(
    ("fields", "encode", "model", "expected"),
    [case[1:] for case in PARAMETERS],
    ids=[f"{case[2].__name__}: {case[0]}" for case in PARAMETERS],
)
def test_parameters(fields: dict[str, Any], encode: Any, model: str, expected: dict[str, Any]) -> None:
    body = encode(ask(**fields), model)
    extra = {key: value for key, value in body.items() if key not in ("model", "messages", "contents")}
    assert extra == expected


CHOICES: list[tuple[Any, str, ToolChoice, Any]] = [
    (openai, "gpt-4o", ToolChoice("required"), "required"),
    (openai, "gpt-4o", ToolChoice("required", ("look",)), {"type": "function", "function": {"name": "look"}}),
    (anthropic, "claude-haiku-4-5", ToolChoice("required"), {"type": "any"}),
    (anthropic, "claude-haiku-4-5", ToolChoice("required", ("look",)), {"type": "tool", "name": "look"}),
    (anthropic, "claude-opus-5-5", ToolChoice("required"), {"type": "auto"}),
    (anthropic, "claude-opus-5-5", ToolChoice("none"), {"type": "none"}),
    (google, "gemini-3.5-flash", ToolChoice("none"), {"functionCallingConfig": {"mode": "NONE"}}),
    (
        google,
        "gemini-3.5-flash",
        ToolChoice("required", ("look",)),
        {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
    ),
]


@pytest.mark.parametrize(("encode", "model", "choice", "expected"), CHOICES)
def test_tool_choice(encode: Any, model: str, choice: ToolChoice, expected: Any) -> None:
    body = encode(ask(tools=(LOOK,), tool_choice=choice), model)
    assert body.get("tool_choice", body.get("toolConfig")) == expected
    assert len(body["tools"]) == 1


def test_a_forced_tool_turns_thinking_off() -> None:
    request = ask(tools=(LOOK,), tool_choice=ToolChoice("required"), reasoning=Reasoning("high"))
    for model in ("claude-haiku-4-5", "claude-opus-4-8"):
        body = anthropic(request, model)
        assert body["tool_choice"] == {"type": "any"}
        assert "thinking" not in body


def test_own_options_leave_the_request_as_it_was() -> None:
    schema = {"type": "object", "properties": {}}
    options = {"openai": {"response_format": {"json_schema": {"schema": {"title": "T"}}}}}
    form = ResponseFormat("json_schema", "n", schema=schema)
    body = openai(ask(response_format=form, provider_options=options))
    assert body["response_format"]["json_schema"]["schema"]["title"] == "T"
    assert schema == {"type": "object", "properties": {}}


def test_tools() -> None:
    request = ask(tools=(LOOK, Tool("now")), parallel_tool_calls=False)
    assert openai(request)["tools"][0]["function"] == {
        "name": "look",
        "description": "Looks",
        "parameters": LOOK.parameters,
    }
    assert openai(request)["parallel_tool_calls"] is False
    assert anthropic(request)["tools"][1] == {
        "name": "now",
        "input_schema": {"properties": {}, "type": "object"},
    }
    assert anthropic(request)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert google(request)["tools"] == [
        {
            "functionDeclarations": [
                {"name": "look", "description": "Looks", "parametersJsonSchema": LOOK.parameters},
                {"name": "now", "description": "now"},
            ]
        }
    ]


def test_tool_names_that_a_provider_refuses_are_the_same_everywhere_in_the_body() -> None:
    long, other = "n" * 70 + "a", "n" * 70 + "b"
    history = (say("user", "hi"), say("assistant", ToolCall("1", long, "{}")), say("tool", result("1")))
    body = openai(ask(*history, tools=(Tool(long), Tool(other))))
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert len(set(names)) == 2
    assert max(map(len, names)) == 64
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == names[0]


STRUCTURED: list[tuple[Any, str, dict[str, Any]]] = [
    (
        openai,
        "gpt-4o",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
    ),
    (
        anthropic,
        "claude-opus-5-5",
        {
            "output_config": {
                "format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}
            }
        },
    ),
    (
        google,
        "gemini-3.5-flash",
        {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
    ),
    (
        google,
        "gemini-2.0-flash",
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA}},
    ),
]


@pytest.mark.parametrize(("encode", "model", "expected"), STRUCTURED)
def test_structured_answers(encode: Any, model: str, expected: dict[str, Any]) -> None:
    body = encode(ask(response_format=ResponseFormat("json_schema", "n", schema=SCHEMA)), model)
    assert body.items() >= expected.items()


def test_a_schema_is_said_in_words_where_it_cannot_be_given() -> None:
    form = ResponseFormat("json_schema", schema=SCHEMA)
    assert '"n"' in anthropic(ask(response_format=form), "claude-opus-4-1")["system"]
    body = google(ask(response_format=form, tools=(LOOK,)), "gemini-2.5-flash")
    assert '"n"' in body["systemInstruction"]["parts"][0]["text"]
    assert "generationConfig" not in body
