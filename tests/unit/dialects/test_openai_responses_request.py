"""A Responses request of OpenAI's, as the canonical one."""

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
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.dialects.openai_responses_request import decode
from models.errors import InvalidRequest

Json = dict[str, Any]


def own(kind: str, value: object) -> Opaque:
    written = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return Opaque("openai_responses", kind, written)


CITED = {"type": "url_citation", "url": "https://x.org", "title": "X", "start_index": 0, "end_index": 1}
THOUGHT = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "plan"}]}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed"}
SHOT = {"type": "computer_call_output", "call_id": "c", "output": {}}
ITEMS: list[tuple[Json, Message]] = [
    ({"role": "user", "content": "hi"}, Message("user", (Text("hi"),))),
    ({"role": "developer", "content": "Be brief."}, Message("developer", (Text("Be brief."),))),
    (
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "phase": "final_answer",
            "content": [
                {"type": "output_text", "text": "3C", "annotations": [CITED]},
                {"type": "refusal", "refusal": "No."},
            ],
        },
        Message(
            "assistant",
            (
                Text("3C", (Citation(title="X", url="https://x.org", opaque=own("annotation", CITED)),)),
                Refusal("No."),
            ),
            opaque=(own("rest", {"id": "m", "phase": "final_answer", "type": "message"}),),
        ),
    ),
    (THOUGHT, Message("assistant", (Thinking("plan", (own("reasoning", THOUGHT),)),))),
    (
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"a', "id": "fc"},
        Message("assistant", (ToolCall("c", "look", '{"a', (own("rest", {"id": "fc"}),)),)),
    ),
    (
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"},
        Message("assistant", (ToolCall("c", "sql", '{"input":"SELECT 1"}', freeform=True),)),
    ),
    (
        {"type": "function_call_output", "call_id": "c", "output": "3C"},
        Message("tool", (ToolResult("c", (Text("3C"),)),)),
    ),
    (
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"}],
        },
        Message("tool", (ToolResult("c", (Image("image/png", "aGk=", detail="low"),)),)),
    ),
    (
        {"role": "user", "content": [{"type": "input_file", "file_url": "https://x.org/a.pdf"}]},
        Message("user", (File("application/pdf", url="https://x.org/a.pdf"),)),
    ),
    (
        {"role": "user", "content": [{"type": "input_file", "file_id": "f"}]},
        Message("user", (File(file_id="f", file_provider="openai"),)),
    ),
    (
        {"type": "image_generation_call", "id": "ig", "result": "aGk="},
        Message("assistant", (Image("image/png", "aGk=", opaque=(own("drawn", {"id": "ig"}),)),)),
    ),
    (SEARCH, Message("assistant", (Native(own("block", SEARCH)),))),
    (SHOT, Message("user", (Native(own("block", SHOT)),))),
]


@pytest.mark.parametrize(("item", "message"), ITEMS)
def test_items(item: Json, message: Message) -> None:
    assert decode({"model": "gpt-5.5", "input": [item]}).messages == (message,)


def test_settings() -> None:
    request = decode(
        {
            "model": "gpt-5.5",
            "instructions": "Be brief.",
            "input": "hi",
            "tools": [
                {"type": "function", "name": "look", "parameters": {"type": "object"}},
                {"type": "custom", "name": "sql"},
                {"type": "web_search"},
            ],
            "tool_choice": {"type": "function", "name": "look"},
            "reasoning": {"effort": "high", "summary": "detailed"},
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}},
            "max_output_tokens": 99,
            "metadata": {"k": "v"},
            "include": ["reasoning.encrypted_content"],
        }
    )
    assert request.messages == (
        Message("system", (Text("Be brief."),), opaque=(own("instructions", "true"),)),
        Message("user", (Text("hi"),)),
    )
    look, sql, search = request.tools
    assert (look.name, look.strict, look.opaque) == ("look", None, (own("rest", {"strict": None}),))
    assert (sql.name, sql.freeform) == ("sql", True)
    assert search.opaque == (own("tool", {"type": "web_search"}),)
    assert request.tool_choice == ToolChoice("required", ("look",))
    assert request.reasoning == Reasoning("high", include_thoughts=True)
    assert request.response_format == ResponseFormat("json_schema", "n", schema={"a": 1})
    assert (request.max_tokens, request.verbosity) == (99, "low")
    assert request.provider_options == {
        "openai": {"metadata": {"k": "v"}},
        "openai_responses": {
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"summary": "detailed"},
        },
    }


def user(part: Json) -> Json:
    return {"input": [{"role": "user", "content": [part]}]}


WRONG: list[tuple[Json, str]] = [
    ({"input": {}}, "input"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    (user({"type": "input_audio"}), "input[0].content[0].type"),
    (user({"type": "input_image", "image_url": "ftp://x"}), "input[0].content[0].image_url"),
    (user({"type": "input_file"}), "input[0].content[0].file_data"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    ({"input": [], "reasoning": {"effort": "huge"}}, "reasoning.effort"),
    ({"input": [], "tool_choice": 7}, "tool_choice"),
    ({"input": [], "tools": [{"name": "f"}]}, "tools[0].type"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
def test_what_is_wrong_is_named(body: Json, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body)
    assert caught.value.param == param
