"""A generateContent request of Gemini's, as the canonical one."""

import json
from typing import Any

import pytest

from models.chat import (
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
from models.dialects.gemini_request import decode
from models.errors import InvalidRequest

Json = dict[str, Any]


def own(kind: str, value: object) -> Opaque:
    written = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return Opaque("google", kind, written)


CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
PARTS: list[tuple[Json, Any]] = [
    ({"text": "hi"}, Text("hi")),
    ({"text": "hi", "thoughtSignature": "s"}, Text("hi", opaque=(own("thought_signature", "s"),))),
    (
        {"text": "hm", "thought": True, "thought_signature": "s"},
        Thinking("hm", (own("thought", "true"), own("thought_signature", "s"))),
    ),
    (
        {"functionCall": {"name": "a.b", "args": {"snake_case": 1}}, "thoughtSignature": "s"},
        ToolCall("", "a.b", '{"snake_case":1}', (own("thought_signature", "s"),)),
    ),
    ({"function_call": {"id": "g", "name": "now"}}, ToolCall("g", "now", "{}")),
    ({"inline_data": {"mime_type": "image/png", "data": "aGk="}}, Image("image/png", "aGk=")),
    (
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk=", "displayName": "a.pdf"}},
        File("application/pdf", "a.pdf", "aGk=", opaque=(own("inner", {"displayName": "a.pdf"}),)),
    ),
    (
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x.org/a"}},
        Image("image/png", url="https://x.org/a"),
    ),
    (
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}, "videoMetadata": {"fps": 1}},
        File(
            "video/mp4",
            file_id="gs://b/v",
            file_provider="google",
            opaque=(own("rest", {"videoMetadata": {"fps": 1}}),),
        ),
    ),
    (CODE, Native(own("block", CODE), (Text("```python\nprint(1)\n```"),))),
    ({"fromTheFuture": {"x": 1}}, Native(own("block", {"fromTheFuture": {"x": 1}}))),
]


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_parts(part: Json, expected: Any) -> None:
    assert decode({"contents": [{"role": "model", "parts": [part]}]}).messages == (
        Message("assistant", (expected,)),
    )


RESPONSES: list[tuple[Json, ToolResult]] = [
    ({"output": "3C"}, ToolResult("", (Text("3C"),), "look")),
    ({"error": "no"}, ToolResult("", (Text("no"),), "look", is_error=True)),
    ({"result": "3C"}, ToolResult("", (Text("3C"),), "look", opaque=(own("response", {"result": "3C"}),))),
    ({"t": 3}, ToolResult("", (Text('{"t":3}'),), "look", opaque=(own("response", {"t": 3}),))),
    ({}, ToolResult("", (), "look", opaque=(own("response", {}),))),
]


@pytest.mark.parametrize(("response", "expected"), RESPONSES)
def test_responses(response: Json, expected: ToolResult) -> None:
    parts = [{"text": "so"}, {"functionResponse": {"name": "look", "response": response}}]
    assert decode({"contents": [{"parts": parts}]}).messages == (
        Message("tool", (expected,)),
        Message("user", (Text("so"),)),
    )


def test_settings() -> None:
    openapi = {
        "type": "OBJECT",
        "properties": {"n": {"type": "INTEGER", "nullable": True}},
        "propertyOrdering": ["n"],
    }
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}
    declared = {"name": "look", "description": "Looks", "parameters": openapi}
    request = decode(
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]},
            "contents": "hi",
            "tools": [{"functionDeclarations": [declared]}, {"googleSearch": {}}],
            "toolConfig": {"functionCallingConfig": {"mode": "any", "allowedFunctionNames": ["look"]}},
            "generationConfig": {
                "maxOutputTokens": 9,
                "topK": 40.0,
                "responseMimeType": "application/json",
                "responseSchema": openapi,
                "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True},
                "speechConfig": {"x": 1},
            },
            "safetySettings": [],
        }
    )
    assert request.messages == (Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),)))
    assert request.tools == (
        Tool("look", "Looks", schema, opaque=(own("declaration", declared),)),
        Tool("googleSearch", opaque=(own("tool", {"googleSearch": {}}),)),
    )
    assert request.tool_choice == ToolChoice("required", ("look",))
    assert request.response_format == ResponseFormat(
        "json_schema", schema=schema, opaque=(own("response_schema", openapi),)
    )
    assert request.reasoning == Reasoning("high", include_thoughts=True)
    assert (request.max_tokens, request.top_k) == (9, 40)
    assert request.provider_options == {
        "google": {"safetySettings": [], "generationConfig": {"speechConfig": {"x": 1}}}
    }


WRONG: list[tuple[Json, str]] = [
    ({"contents": [{"role": "assistant", "parts": []}]}, "contents[0].role"),
    ({"contents": [{"parts": [{"text": 7}]}]}, "contents[0].parts[0].text"),
    ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall.name"),
    ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents[0].parts[0].inlineData.data"),
    ({"contents": {}}, "contents"),
    ({"contents": [], "generationConfig": {"maxOutputTokens": "9"}}, "generationConfig.maxOutputTokens"),
    (
        {"contents": [], "generationConfig": {"thinkingConfig": {"thinkingLevel": "huge"}}},
        "generationConfig.thinkingConfig.thinkingLevel",
    ),
    ({"contents": [], "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
]


@pytest.mark.parametrize(("body", "param"), WRONG)
def test_what_is_wrong_is_named(body: Json, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(body)
    assert caught.value.param == param
