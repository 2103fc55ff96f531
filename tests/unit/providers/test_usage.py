"""What providers count, each by its convention, becomes one normal form; what cannot be is unknown."""

import json
from typing import Any

import pytest

from models.chat import Chunk, Finished, Started, Usage
from models.providers import anthropic_messages, google_generate, openai_chat
from models.usage import UNKNOWN, CachedTokens, normal_usage

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("convention", "counted", "usage"),
    [
        ("included", {"input": 10, "output": 3, "cache_read": 4}, Usage(6, 4, output=3)),
        ("excluded", {"input": 10, "output": 3, "cache_read": 4}, Usage(10, 4, output=3)),
        ("included", {"input": 10, "output": 3, "cache_read": 10}, Usage(0, 10, output=3)),
        ("excluded", {"input": 0, "output": 3, "cache_read": 10}, Usage(0, 10, output=3)),
        (
            "included",
            {"input": 10, "output": 0, "cache_read": 2, "cache_write_5m": 3, "cache_write_1h": 4},
            Usage(1, 2, 3, 4),
        ),
        ("included", {"input": 9, "output": 5, "reasoning": 5}, Usage(9, output=5, reasoning=5)),
        (
            "included",
            {
                "input": 10,
                "output": 9,
                "audio_input": 3,
                "image_input": 4,
                "audio_output": 2,
                "image_output": 1,
            },
            Usage(3, output=6, audio_input=3, image_input=4, audio_output=2, image_output=1),
        ),
        (
            "included",
            {"input": 20, "output": 0, "cache_read": 9, "audio_input": 8, "image_input": 7}
            | {"cache_read_audio": 5, "cache_read_image": 3},
            Usage(4, 4, audio_input=3, image_input=4, cache_read_audio=5),
        ),
        # Which tokens the cache served is not said: as many of the senses' as fit were not.
        (
            "included",
            {"input": 10, "output": 0, "cache_read": 8, "image_input": 9},
            Usage(0, 8, image_input=2),
        ),
        (
            "included",
            {"input": 10, "output": 0, "cache_read": 4, "audio_input": 5, "image_input": 5},
            Usage(0, 4, audio_input=5, image_input=1),
        ),
        (
            "included",
            {"input": 1, "output": 4, "reasoning": 3, "audio_output": 4},
            Usage(1, output=3, reasoning=3, audio_output=1),
        ),
        (
            "excluded",
            {"input": 1, "output": 0, "tool_uses": {"web_search": 2, "web_fetch": 0}},
            Usage(1, tool_uses=(("web_search", 2),)),
        ),
    ],
)
def test_counts_become_disjoint(convention: CachedTokens, counted: Json, usage: Usage) -> None:
    normal = normal_usage(convention, **counted)
    assert normal == usage
    assert normal.total_output == counted["output"]
    cached = (
        counted.get("cache_read", 0) + counted.get("cache_write_5m", 0) + counted.get("cache_write_1h", 0)
    )
    assert normal.total_input == counted["input"] + (cached if convention == "excluded" else 0)


@pytest.mark.parametrize(
    ("convention", "counted"),
    [
        ("included", {"input": 0, "output": 5}),
        ("excluded", {"input": 0, "output": 5}),
        ("included", {"input": 3, "output": 5, "cache_read": 4}),
        ("included", {"input": 3, "output": 5, "cache_read": 2, "cache_write_1h": 2}),
        ("excluded", {"input": -1, "output": 5}),
        ("excluded", {"input": 9, "output": -1}),
        ("excluded", {"input": 9, "output": 5, "cache_read": -1}),
        ("excluded", {"input": 9, "output": 5, "cache_write_5m": -1, "cache_write_1h": 2}),
        ("included", {"input": 9, "output": 5, "reasoning": 6}),
        ("included", {"input": 9, "output": 5, "reasoning": -6}),
        ("included", {"input": 9, "output": 5, "audio_input": -1}),
        ("included", {"input": 9, "output": 5, "image_output": -1}),
        ("excluded", {"input": 9, "output": 5, "tool_uses": {"web_search": -1}}),
    ],
)
def test_what_cannot_be_is_unknown(convention: CachedTokens, counted: Json) -> None:
    assert normal_usage(convention, **counted) == UNKNOWN


USAGES: list[tuple[Any, Json, Usage]] = [
    (
        openai_chat,
        {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 5, "image_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 3},
        },
        Usage(5, 4, output=6, reasoning=2, audio_input=5, image_input=6, audio_output=3),
    ),
    (
        openai_chat,
        {"prompt_tokens": 1, "completion_tokens": 0, "prompt_tokens_details": {"audio_tokens": None}},
        Usage(1),
    ),
    (
        anthropic_messages,
        {
            "input_tokens": 9,
            "output_tokens": 5,
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
        },
        Usage(9, output=5, tool_uses=(("web_search", 3), ("web_fetch", 1))),
    ),
    (
        anthropic_messages,
        {"input_tokens": 9, "output_tokens": 5, "server_tool_use": {"web_search_requests": 0}},
        Usage(9, output=5),
    ),
    (
        google_generate,
        {
            "promptTokenCount": 20,
            "toolUsePromptTokenCount": 10,
            "cachedContentTokenCount": 8,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 10},
                {"modality": "AUDIO", "tokenCount": 6},
                {"modality": "IMAGE", "tokenCount": 4},
            ],
            "toolUsePromptTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}, {"modality": "VIDEO"}],
            "cacheTokensDetails": [
                {"modality": "TEXT", "tokenCount": 3},
                {"modality": "AUDIO", "tokenCount": 5},
            ],
            "candidatesTokenCount": 7,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 5}],
            "thoughtsTokenCount": 2,
        },
        Usage(15, 3, output=4, reasoning=2, audio_input=1, image_input=6, cache_read_audio=5, image_output=5),
    ),
    # An answer's own count is left out at times; the total is not.
    (
        google_generate,
        {"promptTokenCount": 5, "totalTokenCount": 12, "thoughtsTokenCount": 3},
        Usage(5, 0, 0, 0, 7, 3),
    ),
]


@pytest.mark.parametrize(("wire", "counted", "expected"), USAGES)
def test_senses_and_tools_are_read(wire: Any, counted: Json, expected: Usage) -> None:
    assert wire.decode_usage(counted) == expected


NAMES: dict[Any, tuple[str, str, str]] = {
    openai_chat: ("prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    anthropic_messages: ("input_tokens", "output_tokens", "cache_creation"),
    google_generate: ("promptTokenCount", "candidatesTokenCount", "promptTokensDetails"),
}


def shapes(wire: Any) -> list[object]:
    """Usages that no bill can be made from."""
    prompt, answer, details = NAMES[wire]
    numbers: list[object] = ["many", "12", -1, 1.5, None, True, [], {}, 0]
    answers: list[object] = ["many", -1, 1.5, None, []]
    return [
        *[None, {}, [], "", "usage", 7, False, [{prompt: 9, answer: 5}], {"other": 1}],
        *[{prompt: number, answer: 5} for number in numbers],
        *[{prompt: 9, answer: number} for number in answers if number or wire is not google_generate],
        *[{prompt: 9, answer: 5, details: wrong} for wrong in ("many", 7)],
    ]


def whole(wire: Any, usage: object) -> Usage:
    body = {
        openai_chat: {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage},
        anthropic_messages: {"content": [], "stop_reason": "end_turn", "usage": usage},
        google_generate: {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage},
    }[wire]
    found = wire.decode(body).usage
    assert isinstance(found, Usage)
    return found


def chunks(wire: Any, *events: Json) -> list[Chunk]:
    decoder = wire.StreamDecoder()
    made: list[Chunk] = []
    for event in events:
        made += decoder.feed("", json.dumps(event).encode())
    made += decoder.finish()
    return made


def streamed(wire: Any, usage: object) -> Usage:
    delta = {"id": "x", "choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}
    message = {"id": "m", "content": [], "usage": usage}
    told: dict[Any, list[Json]] = {
        openai_chat: [delta, {"choices": [], "usage": usage}],
        anthropic_messages: [
            {"type": "message_start", "message": message},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
            {"type": "message_stop"},
        ],
        google_generate: [{"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage}],
    }
    last = chunks(wire, *told[wire])[-1]
    assert isinstance(last, Finished)
    return last.usage


@pytest.mark.parametrize(("wire", "usage"), [(wire, usage) for wire in NAMES for usage in shapes(wire)])
@pytest.mark.parametrize("read", [whole, streamed])
def test_u6_an_answer_is_good_whatever_its_usage_is(wire: Any, usage: object, read: Any) -> None:
    assert read(wire, usage) == UNKNOWN


@pytest.mark.parametrize("wire", NAMES)
@pytest.mark.parametrize("read", [whole, streamed])
def test_u6_counts_beyond_belief_are_handed_on_to_whoever_bounds_them(wire: Any, read: Any) -> None:
    prompt, answer, _ = NAMES[wire]
    assert max(read(wire, {prompt: 10**18, answer: 5}).counts) == 10**18


def test_u6_a_later_count_of_a_stream_replaces_an_earlier_one() -> None:
    start = {
        "type": "message_start",
        "message": {"content": [], "usage": {"input_tokens": 9, "output_tokens": 1}},
    }
    stop: Json = {"type": "message_stop"}

    def update(**usage: Any) -> Json:
        return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}

    searched = {"web_search_requests": 2}
    first, last = chunks(
        anthropic_messages,
        start,
        update(output_tokens=5, server_tool_use={"web_search_requests": 1}),
        update(output_tokens=8, input_tokens=30, server_tool_use=searched),
        update(output_tokens=8),
        stop,
    )
    assert isinstance(first, Started)
    assert first.usage == Usage(9, output=1)
    assert isinstance(last, Finished)
    assert last.usage == Usage(30, output=8, tool_uses=(("web_search", 2),))


def test_u6_one_unreadable_count_spoils_what_was_said_before_it() -> None:
    start = {
        "type": "message_start",
        "message": {"content": [], "usage": {"input_tokens": 9, "output_tokens": 1}},
    }
    broken = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": "many"},
    }
    first, last = chunks(anthropic_messages, start, broken, {"type": "message_stop"})
    assert isinstance(first, Started)
    assert first.usage == Usage(9, output=1)
    assert isinstance(last, Finished)
    assert (last.usage, last.service_tier) == (UNKNOWN, "")


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"service_tier": "standard", "speed": "standard"}, "standard"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "batch", "speed": None}, "batch"),
        ({}, ""),
    ],
)
def test_the_fast_mode_of_anthropic_is_a_tier_of_its_own(usage: Json, tier: str) -> None:
    counted = {"input_tokens": 9, "output_tokens": 1, **usage}
    body = {"content": [], "stop_reason": "end_turn", "usage": counted}
    assert anthropic_messages.decode(body).service_tier == tier
    start = {"type": "message_start", "message": {"content": [], "usage": counted}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
    last = chunks(anthropic_messages, start, ended, {"type": "message_stop"})[-1]
    assert isinstance(last, Finished)
    assert last.service_tier == tier


def test_google_says_what_tier_served_and_what_was_searched() -> None:
    grounding = {
        "webSearchQueries": ["oslo weather", "oslo tomorrow"],
        "groundingChunks": [
            {"web": {"uri": "https://x.org", "title": "X"}},
            {"maps": {"uri": "https://m.org"}},
        ],
    }
    candidate = {
        "content": {"parts": [{"text": "3C"}]},
        "finishReason": "STOP",
        "groundingMetadata": grounding,
    }
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "serviceTier": "priority"}
    body = {"candidates": [candidate], "usageMetadata": usage}
    expected = Usage(5, output=2, tool_uses=(("web_search", 2), ("maps", 1)))
    answer = google_generate.decode(body)
    assert (answer.usage, answer.service_tier) == (expected, "priority")
    # The queries come in one event of a stream, the final counts in another.
    last = chunks(google_generate, {"candidates": [candidate]}, {"usageMetadata": usage})[-1]
    assert isinstance(last, Finished)
    assert (last.usage, last.service_tier) == (expected, "priority")
