"""A chat completions request of OpenAI's, as the canonical one: what the HTTP tests leave out."""

from typing import Any

import pytest

from models.chat import (
    File,
    Image,
    Message,
    Native,
    Opaque,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.dialects.openai_chat_request import decode
from models.dialects.openai_forms import FREEFORM
from models.errors import InvalidRequest

Json = dict[str, Any]


def read(*messages: Json, **fields: Any) -> tuple[Message, ...]:
    return decode({"model": "gpt-5.5", "messages": list(messages), **fields}).messages


MESSAGES: list[tuple[Json, Message]] = [
    (
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "q", "input": "1"}}],
        },
        Message("assistant", (ToolCall("c", "q", '{"input":"1"}', freeform=True),)),
    ),
    (
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        Message("assistant", (ToolCall("", "f", "{}"),)),
    ),
    (
        {"role": "function", "name": "f", "content": "3C"},
        Message("tool", (ToolResult("", (Text("3C"),), "f"),)),
    ),
    ({"role": "tool", "tool_call_id": "c", "content": None}, Message("tool", (ToolResult("c"),))),
    (
        {"role": "assistant", "content": "so", "reasoning_content": "hm"},
        Message("assistant", (Thinking("hm"), Text("so"))),
    ),
    (
        {"role": "assistant", "audio": {"id": "a1"}},
        Message("assistant", (Native(Opaque("openai", "audio", "a1")),)),
    ),
    (
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "s"}},
                }
            ],
        },
        Message("assistant", (ToolCall("c", "f", "{}", (Opaque("google", "thought_signature", "s"),)),)),
    ),
    (
        {
            "role": "user",
            "content": [{"type": "text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}}],
        },
        Message("user", (Text("t", cache="5m"),)),
    ),
    (
        {
            "role": "tool",
            "tool_call_id": "c",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
                {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}},
            ],
        },
        Message(
            "tool",
            (ToolResult("c", (Image(url="https://x.org/a.png"), File("text/plain", "a.txt", "aGk="))),),
        ),
    ),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_messages(message: Json, expected: Message) -> None:
    assert read(message) == (expected,)


def test_what_openai_alone_has_is_kept_for_it() -> None:
    fields = {"store": True, "logit_bias": {"5": 1}, "n": 1, "user": "u", "seed": 7}
    request = decode({"model": "m", "messages": [{"role": "user", "content": "x"}], **fields})
    assert request.provider_options == {"openai": {"store": True, "logit_bias": {"5": 1}, "n": 1}}
    assert (request.end_user, request.seed) == ("u", 7)


def test_tools_of_every_kind() -> None:
    grammar = {"type": "text"}
    request = decode(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "custom", "custom": {"name": "q", "format": grammar}}],
            "functions": [{"name": "f"}],
            "function_call": {"name": "f"},
        }
    )
    held = (Opaque("openai", "custom", '{"format":{"type":"text"}}'),)
    assert request.tools == (Tool("q", parameters=FREEFORM, freeform=True, opaque=held), Tool("f"))
    assert request.tool_choice == ToolChoice("required", ("f",))


WRONG: list[tuple[Json, str]] = [
    ({"model": "m"}, ""),
    ({"model": "m", "messages": [{"role": "nobody"}]}, "messages[0].role"),
    ({"model": "m", "messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"model": "m", "messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
def test_what_is_wrong_is_named(body: Json, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body)
    assert (caught.value.param or "") == param
