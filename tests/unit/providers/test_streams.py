"""What a provider's streamed answer becomes, event by event."""

import json
from typing import Any

import pytest

from models.chat import (
    Chunk,
    Citation,
    CitationDelta,
    Finished,
    Opaque,
    OpaqueDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from models.errors import (
    PolyvoxError,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
)
from models.providers import anthropic_messages, google_generate, openai_chat

Json = dict[str, Any]


def stream(wire: Any, *events: Json | bytes, **options: Any) -> list[Chunk]:
    decoder = wire.StreamDecoder(**options)
    chunks: list[Chunk] = []
    for event in events:
        chunks += decoder.feed("", event if isinstance(event, bytes) else json.dumps(event).encode())
    chunks += decoder.finish()
    assert [type(chunk) is Finished for chunk in chunks].index(True) == len(chunks) - 1
    return chunks


def delta(finish: str | None = None, **said: Any) -> Json:
    return {"id": "x1", "model": "gpt", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def called(index: int | None, arguments: str, id: str | None = None, name: str | None = None) -> Json:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


OPENAI_USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    "service_tier": "default",
}
ENDED = Finished("stop", Usage(5, output=2), service_tier="default")


def test_openai_text() -> None:
    events = (delta(role="assistant", content=""), delta(content="3"), delta(content="C"), delta("stop"))
    assert stream(openai_chat, *events, OPENAI_USAGE, b"[DONE]") == [
        Started("x1", "gpt"),
        TextDelta("3"),
        TextDelta("C"),
        ENDED,
    ]


def test_azure_opens_with_an_event_about_the_prompt() -> None:
    opening = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    assert stream(openai_chat, opening, delta("stop", content="3C"))[0] == Started("x1", "gpt")


def test_openai_parallel_calls() -> None:
    events = (
        delta(tool_calls=[called(0, "", "c1", "look")]),
        delta(tool_calls=[called(0, '{"at":')]),
        delta(tool_calls=[called(0, '"Oslo"}'), called(1, "{}", "c2", "now")]),
        delta("tool_calls"),
    )
    assert stream(openai_chat, *events, b"[DONE]") == [
        Started("x1", "gpt"),
        ToolCallStarted(0, "c1", "look"),
        ToolCallDelta(0, '{"at":'),
        ToolCallDelta(0, '"Oslo"}'),
        ToolCallStarted(1, "c2", "now", "{}"),
        Finished("tool_calls", Usage(estimated=True)),
    ]


def test_openai_hosts_that_give_calls_no_index() -> None:
    events = (delta(tool_calls=[called(None, "{", "a", "f")]), delta(tool_calls=[called(None, "}")]))
    more = delta("stop", tool_calls=[called(None, "{}", "b", "g")])
    assert stream(openai_chat, *events, more)[1:] == [
        ToolCallStarted(0, "a", "f", "{"),
        ToolCallDelta(0, "}"),
        ToolCallStarted(1, "b", "g", "{}"),
        Finished("tool_calls", Usage(estimated=True)),
    ]


def test_openai_refusal_reasoning_and_usage_in_every_event() -> None:
    counted = {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    events = (delta(reasoning_content="hm") | counted, delta(refusal="No.") | counted, delta("stop"))
    assert stream(openai_chat, *events, OPENAI_USAGE) == [
        Started("x1", "gpt"),
        ThinkingDelta("hm"),
        RefusalDelta("No."),
        Finished("refusal", Usage(5, output=2), service_tier="default"),
    ]


MESSAGE_START = {
    "type": "message_start",
    "message": {
        "id": "m1",
        "model": "claude",
        "content": [],
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 1,
        },
    },
}
STOP: Json = {"type": "message_stop"}


def block(index: int, start: Json, *deltas: Json) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def ended(reason: str, output: int = 7, **fields: Any) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, **fields},
        "usage": {"output_tokens": output},
    }


def test_anthropic() -> None:
    cited = {"type": "web_search_result_location", "cited_text": "c", "title": "T", "url": "https://x.org"}
    events: list[Json] = [
        MESSAGE_START,
        {"type": "ping"},
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "sig"},
        ),
        *block(1, {"type": "redacted_thinking", "data": "blob"}),
        *block(
            2,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "3C"},
            {"type": "citations_delta", "citation": cited},
        ),
        *block(
            3,
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"query":'},
            {"type": "input_json_delta", "partial_json": '"x"}'},
        ),
        *block(
            4,
            {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"at":"Oslo"}'},
        ),
        *block(5, {"type": "tool_use", "id": "t2", "name": "now", "input": {}}),
        {"type": "something_new"},
        ended("tool_use"),
        STOP,
    ]
    usage = Usage(5, 3, 0, 2, 1)
    opaque = Opaque("anthropic", "citation", json.dumps(cited, separators=(",", ":")))
    assert stream(anthropic_messages, *events) == [
        Started("m1", "claude", usage),
        ThinkingDelta(""),
        ThinkingDelta("hm"),
        OpaqueDelta(Opaque("anthropic", "signature", "sig")),
        ThinkingDelta(""),
        OpaqueDelta(Opaque("anthropic", "redacted_thinking", "blob")),
        TextDelta("3C"),
        CitationDelta(Citation("c", "T", "https://x.org", opaque)),
        OpaqueDelta(
            Opaque(
                "anthropic",
                "block",
                '{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}}',
            )
        ),
        ToolCallStarted(0, "t1", "look"),
        ToolCallDelta(0, '{"at":"Oslo"}'),
        ToolCallStarted(1, "t2", "now"),
        ToolCallDelta(1, "{}"),
        Finished("tool_calls", Usage(5, 3, 0, 2, 7)),
    ]


def test_anthropic_refusal_and_stop_sequence() -> None:
    refused = ended("refusal", stop_details={"type": "refusal", "explanation": "No."})
    assert stream(anthropic_messages, MESSAGE_START, refused, STOP)[-2:] == [
        RefusalDelta("No."),
        Finished("refusal", Usage(5, 3, 0, 2, 7)),
    ]
    stopped = stream(anthropic_messages, MESSAGE_START, ended("stop_sequence", stop_sequence="END"), STOP)[-1]
    assert isinstance(stopped, Finished)
    assert stopped.stop_sequence == "END"


def said(*parts: Json, finish: str | None = None, counted: int = 0) -> Json:
    candidate: Json = {"content": {"parts": list(parts)}} | ({"finishReason": finish} if finish else {})
    usage = {"promptTokenCount": 5, "candidatesTokenCount": counted, "thoughtsTokenCount": 1}
    return {"responseId": "r1", "modelVersion": "gemini", "candidates": [candidate], "usageMetadata": usage}


def test_google() -> None:
    events = (
        said({"text": "hm", "thought": True}),
        said({"text": "3C"}, counted=1),
        said({"text": "", "thoughtSignature": "s1"}),
        said(
            {"functionCall": {"name": "look", "args": {"at": "Oslo"}, "id": "g1"}, "thoughtSignature": "s2"}
        ),
        said(finish="STOP", counted=4),
    )
    assert stream(google_generate, *events) == [
        Started("r1", "gemini"),
        ThinkingDelta("hm"),
        TextDelta("3C"),
        TextDelta(""),
        OpaqueDelta(Opaque("google", "thought_signature", "s1")),
        ToolCallStarted(0, "g1", "look", '{"at":"Oslo"}', (Opaque("google", "thought_signature", "s2"),)),
        Finished("tool_calls", Usage(5, output=5, reasoning=1)),
    ]


def test_google_blocks_the_prompt() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}}
    assert stream(google_generate, blocked)[-1] == Finished("content_filter", Usage(5))


BROKEN: list[tuple[Any, list[Json | bytes], type[PolyvoxError]]] = [
    (openai_chat, [delta(content="x")], ProviderGarbled),
    (openai_chat, [delta(content="x"), b"[DONE]"], ProviderGarbled),
    (openai_chat, [b"{"], ProviderGarbled),
    (openai_chat, [b"\xff"], ProviderGarbled),
    (openai_chat, [delta(content=7)], ProviderGarbled),
    (openai_chat, [delta(tool_calls=[called(0, "{}")])], ProviderGarbled),
    (openai_chat, [{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}], ProviderRateLimited),
    (openai_chat, [{"error": {"message": "broken"}}], ProviderUnavailable),
    (openai_chat, [delta("error")], ProviderUnavailable),
    (anthropic_messages, [MESSAGE_START, ended("end_turn")], ProviderGarbled),
    (anthropic_messages, [MESSAGE_START, STOP], ProviderGarbled),
    (anthropic_messages, [b"[]"], ProviderGarbled),
    (anthropic_messages, [{"type": "error", "error": {"type": "overloaded_error"}}], ProviderOverloaded),
    (anthropic_messages, [{"type": "error", "error": {"type": "rate_limit_error"}}], ProviderRateLimited),
    (google_generate, [said({"text": "x"})], ProviderGarbled),
    (google_generate, [said(finish="MALFORMED_FUNCTION_CALL")], ProviderGarbled),
    (google_generate, [{"error": {"code": 503, "status": "UNAVAILABLE"}}], ProviderOverloaded),
    (google_generate, [b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]'], ProviderRateLimited),
]


@pytest.mark.parametrize(("wire", "events", "kind"), BROKEN)
def test_a_stream_that_breaks(wire: Any, events: list[Json | bytes], kind: type[PolyvoxError]) -> None:
    with pytest.raises(kind) as caught:
        stream(wire, *events, provider="here", model="m")
    assert (caught.value.provider, caught.value.model) == ("here", "m")


NAMED = {"type": "tool_use", "id": "1", "name": "look_1"}


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (openai_chat, [delta("stop", tool_calls=[called(0, "{}", "1", "look_1")])]),
        (anthropic_messages, [MESSAGE_START, *block(0, NAMED), ended("tool_use"), STOP]),
        (google_generate, [said({"functionCall": {"name": "look_1"}}, finish="STOP")]),
    ],
)
def test_names_come_back_as_the_caller_wrote_them(wire: Any, events: list[Json]) -> None:
    chunks = stream(wire, *events, tool_names={"look_1": "look up"})
    assert [chunk.name for chunk in chunks if isinstance(chunk, ToolCallStarted)] == ["look up"]
