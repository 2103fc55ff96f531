"""An answer in the dialect of the provider that gave it: what came in comes out, artefacts and all."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from models.chat import Chunk
from models.dialects import anthropic_answer, gemini_answer
from models.dialects import anthropic_messages as anthropic_dialect
from models.dialects.anthropic_stream import StreamEncoder as AnthropicEncoder
from models.dialects.gemini_stream import StreamEncoder as GeminiEncoder
from models.providers import anthropic_messages, google_generate
from models.providers.profiles import Profiles

CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": "T",
    "start_char_index": 0,
    "end_char_index": 1,
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "cmVk"},
        {"type": "text", "text": "Hello", "citations": [CITATION]},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "a_block_to_come", "with": {"much": [1, 2.5, None]}},
        {"type": "text", "text": "again", "citations": None},
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "f",
            "input": {"a": 1, "b": "ü"},
            "caller": {"type": "direct"},
        },
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 3,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 1},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 2},
        "service_tier": "standard",
    },
}
EMPTIED = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": "", "citations": None}}


def test_a_message_of_anthropics_comes_out_as_it_came() -> None:
    response = anthropic_messages.decode(MESSAGE)
    out = anthropic_answer.encode(response, id="msg_1", model="claude-haiku-4-5", cost_pico=None, is_own=True)
    assert json.loads(out) == MESSAGE


def test_a_stream_of_anthropics_comes_out_as_it_came() -> None:
    sent = list(anthropic_events())
    decoder = anthropic_messages.StreamDecoder()
    encoder = AnthropicEncoder(id="msg_1", model="claude-haiku-4-5", is_own=True)
    out = b""
    for event in sent:
        out += encoder.encode(decoder.feed(event["type"], json.dumps(event).encode()))
    data = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: ")]
    assert [event for event in data if event["type"] != "ping"] == sent


def anthropic_events() -> Iterable[dict[str, Any]]:
    usage = MESSAGE["usage"] | {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    head = {"content": [], "stop_reason": None, "usage": usage | {"service_tier": None}}
    yield {"type": "message_start", "message": MESSAGE | head}
    for at, block in enumerate(MESSAGE["content"]):
        kind = block["type"]
        is_call = kind == "tool_use"
        emptied = block | ({"input": {}} if is_call else EMPTIED.get(kind, {}))
        yield {"type": "content_block_start", "index": at, "content_block": emptied}
        for delta in deltas(block):
            yield {"type": "content_block_delta", "index": at, "delta": delta}
        yield {"type": "content_block_stop", "index": at}
    delta = {"stop_reason": "tool_use", "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": MESSAGE["usage"]}
    yield {"type": "message_stop"}


def deltas(block: dict[str, Any]) -> Iterable[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            yield {"type": "thinking_delta", "thinking": block["thinking"]}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            yield {"type": "text_delta", "text": block["text"]}
            for cited in block["citations"] or ():
                yield {"type": "citations_delta", "citation": cited}
        case "tool_use":
            written = json.dumps(block["input"])
            yield {"type": "input_json_delta", "partial_json": written[:7]}
            yield {"type": "input_json_delta", "partial_json": written[7:]}


GENERATED: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
                    {"text": "Hello", "thoughtSignature": "dGV4dA=="},
                    {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": "Zm4="},
                    {"functionCall": {"name": "g", "args": {}}},
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                ],
                "role": "model",
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 10,
        "candidatesTokenCount": 4,
        "totalTokenCount": 17,
        "cachedContentTokenCount": 2,
        "thoughtsTokenCount": 3,
    },
    "modelVersion": "gemini-3.5-flash",
    "responseId": "r1",
}


def test_an_answer_of_googles_comes_out_as_it_came() -> None:
    response = google_generate.decode(GENERATED)
    out = gemini_answer.encode(response, id="r1", model="gemini-3.5-flash", cost_pico=None)
    assert json.loads(out) == GENERATED


@pytest.mark.parametrize("sse", [True, False])
def test_a_stream_of_googles_comes_out_as_it_came(sse: bool) -> None:
    [candidate] = GENERATED["candidates"]
    parts = candidate["content"]["parts"]
    decoder = google_generate.StreamDecoder()
    batches: list[list[Chunk]] = []
    for part in parts:
        answer = GENERATED | {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}]}
        batches.append(decoder.feed("", json.dumps(answer).encode()))
    last = GENERATED | {"candidates": [{"finishReason": "STOP", "index": 0}]}
    batches.append(decoder.feed("", json.dumps(last).encode()) + decoder.finish())
    encoder = GeminiEncoder(id="r1", model="gemini-3.5-flash", sse=sse)
    out = b"".join(encoder.encode(batch) for batch in batches if batch).decode()
    answers = [json.loads(line[6:]) for line in out.splitlines() if line] if sse else json.loads(out)
    assert [p for a in answers for p in a["candidates"][0]["content"]["parts"]] == [*parts, {"text": ""}]
    assert answers[-1]["usageMetadata"] == GENERATED["usageMetadata"]


def test_what_was_answered_goes_back_as_it_was() -> None:
    """The next turn's request, read from the dialect and written for its provider, has the same blocks."""
    answered = [block for block in MESSAGE["content"] if block["type"] != "server_tool_use"]
    tool = {"name": "f", "input_schema": {"type": "object", "properties": {}}, "input_examples": [{}]}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "x"}]}
    body = {
        "model": "claude-opus-4-5",
        "max_tokens": 100,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": answered},
            {"role": "user", "content": [result]},
        ],
        "tools": [tool],
        "a_field_to_come": {"x": 1},
    }
    profile = Profiles.load().for_model("anthropic", "claude-opus-4-5")
    asked = anthropic_dialect.decode(json.dumps(body).encode()).request
    sent = anthropic_messages.encode(asked, model="claude-opus-4-5", profile=profile)
    plain = [{name: value for name, value in block.items() if value is not None} for block in answered]
    assert sent["messages"][1]["content"] == plain
    assert sent["tools"] == [tool]
    assert sent["a_field_to_come"] == {"x": 1}
