"""A messages request of Anthropic's, as the canonical one."""

import json
from typing import Any

import pytest

from models.chat import (
    Citation,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Reasoning,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.dialects.anthropic_request import decode
from models.errors import InvalidRequest

Json = dict[str, Any]


def own(kind: str, value: object) -> Opaque:
    written = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return Opaque("anthropic", kind, written)


def said(*blocks: Json, role: str = "assistant") -> tuple[Message, ...]:
    return decode({"messages": [{"role": role, "content": list(blocks)}]}).messages


SEARCHED = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
CITED = {"type": "char_location", "cited_text": "c", "document_title": "D", "document_index": 0}
PARTS: list[tuple[Json, Any]] = [
    ({"type": "text", "text": "hi"}, Text("hi")),
    (
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        Text("hi", cache="1h"),
    ),
    (
        {"type": "text", "text": "hi", "citations": [CITED]},
        Text("hi", (Citation("c", "D", opaque=own("citation", CITED)),)),
    ),
    (
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        Thinking("hm", (own("signature", "sig"),)),
    ),
    ({"type": "thinking", "thinking": "cut", "signature": ""}, Thinking("cut")),
    (
        {"type": "redacted_thinking", "data": "blob"},
        Thinking(opaque=(own("redacted_thinking", "blob"),)),
    ),
    (
        {"type": "tool_use", "id": "t", "name": "look", "input": {"at": 1}, "caller": {"type": "direct"}},
        ToolCall("t", "look", '{"at":1}', (own("rest", {"caller": {"type": "direct"}}),)),
    ),
    (SEARCHED, Native(own("block", SEARCHED))),
    (
        {"type": "compaction", "content": "so far"},
        Native(own("block", {"type": "compaction", "content": "so far"}), (Text("so far"),)),
    ),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        Image("image/png", "aGk="),
    ),
    (
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        Image(file_id="f", file_provider="anthropic"),
    ),
    (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
            "title": "t",
        },
        File("text/plain", "t", text="x"),
    ),
    (
        {"type": "document", "source": {"type": "url", "url": "https://x.org/a"}, "context": "c"},
        File("application/pdf", url="https://x.org/a", opaque=(own("rest", {"context": "c"}),)),
    ),
]


@pytest.mark.parametrize(("block", "part"), PARTS)
def test_blocks(block: Json, part: Any) -> None:
    assert said(block) == (Message("assistant", (part,)),)


def test_results_come_before_what_was_said_with_them() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}}
    found = {"type": "search_result", "title": "T", "source": "s", "content": [{"type": "text", "text": "x"}]}
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": [image, found]}
    assert said({"type": "text", "text": "and"}, result, role="user") == (
        Message(
            "tool",
            (
                ToolResult(
                    "t",
                    (
                        Image(url="https://x.org/a.png"),
                        Native(own("block", found), (Text("T\ns\nx"),)),
                    ),
                    is_error=True,
                ),
            ),
        ),
        Message("user", (Text("and"),)),
    )


def test_settings() -> None:
    request = decode(
        {
            "model": "claude-opus-5-5",
            "max_tokens": 9,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {"name": "look", "description": "Looks", "input_schema": {"type": "object"}},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"a": 1}}},
            "thinking": {"type": "adaptive", "display": "summarized"},
            "stop_sequences": ["END"],
            "metadata": {"user_id": "u"},
            "stream": True,
            "container": "c1",
        }
    )
    assert request.messages == (Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),)))
    assert request.tools == (
        Tool("look", "Looks", {"type": "object"}),
        Tool("web_search", opaque=(own("tool", {"type": "web_search_20250305", "name": "web_search"}),)),
    )
    assert (request.tool_choice, request.parallel_tool_calls) == (ToolChoice("required", ("look",)), False)
    assert request.reasoning == Reasoning("high", include_thoughts=True)
    assert request.response_format == ResponseFormat("json_schema", schema={"a": 1})
    assert (request.max_tokens, request.stop, request.end_user, request.stream) == (9, ("END",), "u", True)
    assert request.provider_options == {"anthropic": {"container": "c1"}}


THINKING: list[tuple[Json, Reasoning | None, Json]] = [
    ({"thinking": {"type": "adaptive"}}, Reasoning(), {}),
    ({"thinking": {"type": "disabled"}}, Reasoning("none"), {}),
    ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, Reasoning(budget_tokens=2_000), {}),
    ({"output_config": {"effort": "low"}}, Reasoning("low"), {"thinking": None}),
    ({"thinking": {"type": "between_tools"}}, None, {"thinking": {"type": "between_tools"}}),
    (
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        Reasoning(),
        {"thinking": {"display": "omitted"}},
    ),
]


@pytest.mark.parametrize(("fields", "reasoning", "options"), THINKING)
def test_thinking_and_effort(fields: Json, reasoning: Reasoning | None, options: Json) -> None:
    request = decode({"messages": [], **fields})
    assert (request.reasoning, request.provider_options.get("anthropic", {})) == (reasoning, options)


def turn(**fields: Any) -> Json:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", **fields}]}


WRONG: list[tuple[Any, str | None]] = [
    ([], None),
    ({"messages": "hi"}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    (turn(), "messages[1].content"),
    (turn(content=[{"text": "x"}]), "messages[1].content[0].type"),
    (turn(content=[{"type": "text", "text": 7}]), "messages[1].content[0].text"),
    (
        turn(content=[{"type": "tool_use", "id": "t", "name": "f", "input": "x"}]),
        "messages[1].content[0].input",
    ),
    (turn(content=[{"type": "image", "source": {"type": "ftp"}}]), "messages[1].content[0].source.type"),
    ({"messages": [], "max_tokens": "9"}, "max_tokens"),
    ({"messages": [], "tool_choice": {"type": "some"}}, "tool_choice.type"),
    ({"messages": [], "stop_sequences": [1]}, "stop_sequences"),
    ({"messages": [], "output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"messages": [], "tools": [{"input_schema": {}}]}, "tools[0].name"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
def test_what_is_wrong_is_named(body: Any, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body)
    assert caught.value.param == param
