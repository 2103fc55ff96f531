"""What a provider's whole answer becomes."""

import json
from typing import Any

import pytest

from models.chat import (
    ChatResponse,
    Citation,
    Image,
    Native,
    Opaque,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from models.errors import ProviderGarbled
from models.providers import anthropic_messages, google_generate, openai_chat

Json = dict[str, Any]


def compact(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def openai(message: Json, finish: str | None = "stop", **fields: Any) -> ChatResponse:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return openai_chat.decode({"id": "x1", "model": "gpt", "choices": [choice], **fields})


def anthropic(*content: Json, stop: str = "end_turn", **fields: Any) -> ChatResponse:
    return anthropic_messages.decode(
        {"id": "m1", "model": "claude", "content": list(content), "stop_reason": stop, **fields}
    )


def google(*parts: Json, finish: str | None = "STOP", **fields: Any) -> ChatResponse:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **fields}
    return google_generate.decode({"responseId": "r1", "modelVersion": "gemini", "candidates": [candidate]})


def test_openai() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://x.org", "title": "X"}}
    annotation = Opaque("openai", "annotation", compact(cited))
    answer = openai(
        {
            "content": "3C",
            "reasoning_content": "hm",
            "annotations": [cited],
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"Os'}},
                {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
            ],
        },
        "length",
        service_tier="default",
    )
    assert answer == ChatResponse(
        id="x1",
        model="gpt",
        parts=(
            Thinking("hm"),
            Text("3C", (Citation(title="X", url="https://x.org", opaque=annotation),)),
            ToolCall("c1", "look", '{"at":"Os'),
            ToolCall("c2", "sql", '{"input":"SELECT 1"}', freeform=True),
        ),
        finish="length",
        usage=Usage(estimated=True),
        service_tier="default",
    )


CITED = {"type": "page_location", "cited_text": "3", "document_title": "D"}
SEARCHED = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
CODE = {"executableCode": {"language": "PYTHON", "code": "1"}}


def test_anthropic() -> None:
    answer = anthropic(
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "blob"},
        {"type": "text", "text": "3C", "citations": [CITED]},
        SEARCHED,
        {
            "type": "tool_use",
            "id": "t1",
            "name": "look",
            "input": {"at": "Oslo"},
            "caller": {"type": "direct"},
        },
        stop="tool_use",
        usage={"input_tokens": 1, "output_tokens": 2, "service_tier": "standard"},
    )
    cited = Opaque("anthropic", "citation", compact(CITED))
    assert answer.parts == (
        Thinking("hm", (Opaque("anthropic", "signature", "sig"),)),
        Thinking("", (Opaque("anthropic", "redacted_thinking", "blob"),)),
        Text("3C", (Citation("3", "D", opaque=cited),)),
        Native(Opaque("anthropic", "block", compact(SEARCHED))),
        ToolCall(
            "t1", "look", '{"at":"Oslo"}', (Opaque("anthropic", "rest", '{"caller":{"type":"direct"}}'),)
        ),
    )
    assert (answer.finish, answer.usage, answer.service_tier) == (
        "tool_calls",
        Usage(1, output=2),
        "standard",
    )


def test_google() -> None:
    grounding = {"groundingChunks": [{"web": {"uri": "https://x.org", "title": "X"}}, {}]}
    answer = google(
        {"text": "hm", "thought": True},
        {"text": "3C", "thoughtSignature": "s1"},
        {"functionCall": {"name": "look", "args": {"at": "Oslo"}, "id": "g1"}, "thoughtSignature": "s2"},
        {"functionCall": {"name": "look"}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "s3"},
        CODE,
        groundingMetadata=grounding,
    )
    thought, text, first, second, picture, code = answer.parts
    assert thought == Thinking("hm")
    assert text == Text(
        "3C",
        (Citation(title="X", url="https://x.org"),),
        opaque=(Opaque("google", "thought_signature", "s1"),),
    )
    assert first == ToolCall("g1", "look", '{"at":"Oslo"}', (Opaque("google", "thought_signature", "s2"),))
    assert isinstance(second, ToolCall)
    assert second.id.startswith("call_")
    assert picture == Image("image/png", "aGk=", opaque=(Opaque("google", "thought_signature", "s3"),))
    assert code == Native(Opaque("google", "block", compact(CODE)))
    assert answer.finish == "tool_calls"


def test_ids_made_for_a_call_differ_between_answers() -> None:
    body = {
        "candidates": [{"content": {"parts": [{"functionCall": {"name": "look"}}]}, "finishReason": "STOP"}]
    }
    made = [google_generate.decode({**body, "responseId": id}).parts[0] for id in ("a", "a", "b")]
    assert made[0] == made[1] != made[2]


FINISHES: list[tuple[ChatResponse, str]] = [
    (openai({"content": "x"}, "stop"), "stop"),
    (openai({"content": "x"}, "content_filter"), "content_filter"),
    (openai({"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": ""}}]}, "stop"), "tool_calls"),
    (openai({"refusal": "no"}, "stop"), "refusal"),
    (anthropic(stop="max_tokens"), "length"),
    (anthropic(stop="model_context_window_exceeded"), "length"),
    (anthropic(stop="pause_turn"), "stop"),
    (anthropic(stop="refusal"), "refusal"),
    (google({"text": "x"}, finish="MAX_TOKENS"), "length"),
    (google(finish="SAFETY"), "content_filter"),
    (google(finish="SOMETHING_NEW"), "content_filter"),
    (google_generate.decode({"promptFeedback": {"blockReason": "SAFETY"}}), "content_filter"),
]


@pytest.mark.parametrize(("answer", "finish"), FINISHES)
def test_how_it_ended(answer: ChatResponse, finish: str) -> None:
    assert answer.finish == finish


def test_stop_sequence_and_refusal_details() -> None:
    assert anthropic(stop="stop_sequence", stop_sequence="END").stop_sequence == "END"
    refused = anthropic(stop="refusal", stop_details={"type": "refusal", "explanation": "No."})
    assert refused.parts == (Refusal("No."),)


USAGES: list[tuple[Any, Json | None, Usage]] = [
    (openai_chat, None, Usage(estimated=True)),
    (openai_chat, {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, Usage(9, output=3)),
    (
        openai_chat,
        {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        Usage(3, cache_read=4, cache_write_5m=2, output=3, reasoning=1),
    ),
    (anthropic_messages, None, Usage(estimated=True)),
    (
        anthropic_messages,
        {
            "input_tokens": 9,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 2},
        },
        Usage(9, 4, 1, 2, 5, 2),
    ),
    (
        anthropic_messages,
        {"input_tokens": 9, "cache_creation_input_tokens": 3, "output_tokens": 5},
        Usage(9, cache_write_5m=3, output=5),
    ),
    (google_generate, {}, Usage(estimated=True)),
    (
        google_generate,
        {
            "promptTokenCount": 9,
            "cachedContentTokenCount": 4,
            "toolUsePromptTokenCount": 2,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 5,
        },
        Usage(7, cache_read=4, output=8, reasoning=5),
    ),
]


@pytest.mark.parametrize(("wire", "counted", "expected"), USAGES)
def test_usage(wire: Any, counted: Json | None, expected: Usage) -> None:
    assert wire.decode_usage(counted) == expected


def test_names_come_back_as_the_caller_wrote_them() -> None:
    body = {"content": [{"type": "tool_use", "id": "1", "name": "look_1"}], "stop_reason": "tool_use"}
    answer = anthropic_messages.decode(body, tool_names={"look_1": "look up"})
    assert answer.parts == (ToolCall("1", "look up", "{}"),)


GARBLED: list[tuple[Any, Json]] = [
    (openai_chat, {}),
    (openai_chat, {"choices": []}),
    (openai_chat, {"choices": [{"finish_reason": "stop"}]}),
    (openai_chat, {"choices": [{"message": {"content": 7}}]}),
    (openai_chat, {"choices": [{"message": {"tool_calls": [{"id": "1"}]}}]}),
    (anthropic_messages, {}),
    (anthropic_messages, {"content": [{"type": "text", "text": "x"}]}),
    (anthropic_messages, {"content": [{"type": "tool_use"}], "stop_reason": "tool_use"}),
    (anthropic_messages, {"content": "x", "stop_reason": "end_turn"}),
    (google_generate, {}),
    (google_generate, {"candidates": [{"content": {"parts": [{"text": "x"}]}}]}),
    (google_generate, {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}),
    (google_generate, {"candidates": {"finishReason": "STOP"}}),
]


@pytest.mark.parametrize(("wire", "body"), GARBLED)
def test_what_is_no_answer(wire: Any, body: Json) -> None:
    with pytest.raises(ProviderGarbled):
        wire.decode(body)
