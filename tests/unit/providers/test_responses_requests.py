"""What OpenAI's Responses API is sent."""

import json
from typing import Any

import pytest

from models.chat import (
    ChatRequest,
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
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.providers import openai_responses
from tests.unit.providers.requests import LOOK, PROFILES, ask, call, result, say

Json = dict[str, Any]


def responses(request: ChatRequest, model: str = "gpt-5.5") -> Json:
    return openai_responses.encode(request, model=model, profile=PROFILES.for_model("openai", model))


def own(kind: str, value: Json) -> Opaque:
    return Opaque("openai_responses", kind, json.dumps(value))


REASONED: Json = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "blob"}
THOUGHT = Thinking(opaque=(own("reasoning", REASONED),))


def test_a_conversation() -> None:
    body = responses(
        ask(
            say("system", "Be brief."),
            say("user", Text("see"), Image("image/png", "aGk=")),
            say("assistant", THOUGHT, "Looking.", call("c1")),
            say("tool", result("c1", Text("3C"), Image(url="https://x.org/a.png"))),
            say("assistant", "3C.", Refusal("No more.")),
            say("user", "thanks"),
            tools=(LOOK,),
            max_tokens=5,
            stop=("END",),
        )
    )
    assert body == {
        "model": "gpt-5.5",
        "input": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "see"},
                    {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
                ],
            },
            REASONED,
            {"role": "assistant", "content": "Looking."},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"Oslo"}'},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [
                    {"type": "input_text", "text": "3C"},
                    {"type": "input_image", "image_url": "https://x.org/a.png", "detail": "auto"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "3C.", "annotations": []},
                    {"type": "refusal", "refusal": "No more."},
                ],
            },
            {"role": "user", "content": "thanks"},
        ],
        "max_output_tokens": 16,
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Looks",
                "parameters": LOOK.parameters,
                "strict": False,
            }
        ],
    }


def test_reasoning_goes_with_its_item_alone() -> None:
    torn = ask(say("user", "hi"), say("assistant", THOUGHT), say("user", "so?"))
    assert [item["role"] for item in responses(torn)["input"]] == ["user", "user"]
    foreign = Thinking("hm", (Opaque("anthropic", "signature", "sig"),))
    assert "sig" not in str(responses(ask(say("user", "hi"), say("assistant", foreign, "yes"))))


def test_native_calls_go_with_their_outputs_alone() -> None:
    clicked = Native(own("block", {"type": "computer_call", "call_id": "a"}))
    shot = Native(own("block", {"type": "computer_call_output", "call_id": "a"}))
    lost = Native(own("block", {"type": "computer_call_output", "call_id": "b"}))
    whole = ask(say("user", "hi"), say("assistant", clicked), say("user", shot, lost))
    assert [item.get("call_id") for item in responses(whole)["input"]] == [None, "a", "a"]
    assert len(responses(ask(say("user", "hi"), say("assistant", clicked)))["input"]) == 1


def test_a_freeform_tool() -> None:
    tool = Tool("sql", parameters={"type": "object", "properties": {"input": {}}}, freeform=True)
    asked = ToolCall("c1", "sql", '{"input":"SELECT 1"}', freeform=True)
    request = ask(
        say("user", "hi"),
        say("assistant", asked),
        say("tool", ToolResult("c1", (Text("1"),))),
        tools=(tool,),
        tool_choice=ToolChoice("required", ("sql",)),
    )
    body = responses(request)
    assert body["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
    ]
    assert (body["tools"], body["tool_choice"]) == (
        [{"type": "custom", "name": "sql"}],
        {"type": "custom", "name": "sql"},
    )


SETTINGS: list[tuple[Json, Json]] = [
    (
        {"reasoning": Reasoning("high", include_thoughts=True)},
        {"reasoning": {"effort": "high", "summary": "auto"}},
    ),
    ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
    (
        {"response_format": ResponseFormat("json_schema", "n", schema={"type": "object"}, strict=True)},
        {
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": False}
            }
        },
    ),
    ({"end_user": "u", "service_tier": "flex"}, {"user": "u", "service_tier": "flex"}),
    ({"stream": True, "seed": 7, "temperature": 0.5}, {"stream": True}),
    (
        {
            "provider_options": {
                "openai": {"store": False, "prediction": {}},
                "openai_responses": {"include": []},
            }
        },
        {"store": False, "include": []},
    ),
    ({"tools": (LOOK,), "tool_choice": ToolChoice("required", ("gone",))}, {"tool_choice": "required"}),
]


@pytest.mark.parametrize(("fields", "expected"), SETTINGS)
def test_settings(fields: Json, expected: Json) -> None:
    body = responses(ask(**fields))
    assert {name: body[name] for name in body if name not in ("model", "input", "tools")} == expected


def test_a_json_object_has_to_be_spoken_of() -> None:
    form = ResponseFormat("json_object")
    assert responses(ask(say("user", "hi"), response_format=form))["input"][-1]["role"] == "system"
    assert len(responses(ask(say("user", "as JSON"), response_format=form))["input"]) == 1


def test_files() -> None:
    pdf, there = File("application/pdf", "a.pdf", "aGk="), File(file_id="f", file_provider="openai")
    note, text = File("audio/wav", data="aGk="), File("text/csv", "t.csv", "YSxi")
    content = responses(ask(say("user", pdf, there, note, text)))["input"][0]["content"]
    assert content == [
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "file_id": "f"},
        {"type": "input_text", "text": "[audio not shown: audio/wav]"},
        {"type": "input_text", "text": "[t.csv]\na,b"},
    ]


def test_instructions_stand_apart_where_they_did() -> None:
    apart = Message(
        "system", (Text("Be brief."),), opaque=(Opaque("openai_responses", "instructions", "true"),)
    )
    body = responses(ask(apart, say("system", "In French."), say("user", "hi")))
    assert (body["instructions"], body["input"][0]["content"]) == ("Be brief.", "In French.")
