"""What Anthropic's dialect takes as a way in, what it hands on, and what it refuses."""

import json
from typing import Any

import pytest

from models.chat import Text, Tool, ToolCall
from models.dialects.anthropic_messages import decode
from models.errors import InvalidRequest, UnsupportedParameter

HELLO: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def read(**fields: Any) -> Any:
    return decode(json.dumps(HELLO | fields).encode())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"container": "c_1"}, "container"),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"speed": "fast"}, "speed"),
        ({"tools": [{"type": "web_search_20260209", "name": "web_search"}]}, "tools"),
        ({"tools": [{"type": "mcp_toolset", "name": "x"}]}, "tools"),
    ],
)
def test_what_cannot_be_carried_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"model": ""}, "model"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"metadata": {"conversation_id": 7}}, "metadata.conversation_id"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"[" * 100_000, b"\xff"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode(body)


def test_wishes_of_betas_are_left_out_and_unknown_fields_handed_on() -> None:
    asked = read(
        context_management={"edits": []},
        fallbacks=[{"model": "x"}],
        betas=["b"],
        speed="standard",
        new_wish={"much": 1},
        metadata={"conversation_id": "c", "user_id": "u"},
    )
    assert asked.request.provider_options == {"anthropic": {"new_wish": {"much": 1}}}
    assert (asked.conversation_id, asked.request.end_user) == ("c", "u")


def test_the_older_name_of_a_format_will_do() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    asked = read(output_format=form, output_config={"effort": "low"})
    assert asked.request.response_format.schema == {"type": "object"}
    assert asked.request.reasoning.effort == "low"


def test_tools_that_the_caller_runs_are_of_anthropics_models_alone() -> None:
    assert read(tools=[{"type": "bash_20250124", "name": "bash"}]).tools_of == "anthropic"
    plain = read(tools=[{"name": "f", "input_schema": {"type": "object"}}])
    assert plain.tools_of == ""
    assert plain.request.tools == (Tool("f", parameters={"type": "object"}),)


def test_a_tool_that_a_provider_runs_is_left_out_where_there_are_others() -> None:
    search = {"type": "web_search_20260209", "name": "web_search"}
    function = {"name": "f", "input_schema": {"type": "object"}}
    asked = read(tools=[search, function])
    assert ([tool.name for tool in asked.request.tools], asked.left_out) == (["f"], ("web_search",))
    with pytest.raises(UnsupportedParameter):
        read(tools=[search, function], tool_choice={"type": "tool", "name": "web_search"})


def test_a_mark_of_the_whole_request_is_one_of_its_end() -> None:
    assert read(cache_control=HOUR).request.messages[-1].parts == (Text("hi", cache="1h"),)
    block = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    marked = read(cache_control=HOUR, messages=[{"role": "user", "content": [block]}])
    assert marked.request.messages[-1].parts == (Text("hi", cache="5m"),)


def test_an_hours_mark_is_on_nothing_whose_price_is_not_held() -> None:
    said = {"type": "text", "text": "found", "cache_control": HOUR}
    call = {
        "type": "tool_use",
        "id": "c",
        "name": "f",
        "input": {"cache_control": HOUR},
        "cache_control": HOUR,
    }
    found = {"type": "search_result", "source": "s", "title": "t", "content": [said], "cache_control": HOUR}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [said, found]}
    asked = read(
        messages=[
            {"role": "user", "content": [said]},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    )
    first, second, third = (message.parts[0] for message in asked.request.messages)
    assert first.cache == "1h"
    assert isinstance(second, ToolCall)
    assert json.loads(second.opaque[0].value) == {"cache_control": {"type": "ephemeral"}}
    assert json.loads(second.arguments) == {"cache_control": HOUR}
    text, native = third.parts
    assert text.cache == "1h"
    assert "ttl" not in native.opaque.value
