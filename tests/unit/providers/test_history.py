"""What a request's history becomes at each provider."""

import json
from typing import Any

import pytest

from models.chat import (
    Citation,
    File,
    Image,
    Native,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
)
from tests.unit.providers.requests import LOOK, anthropic, ask, call, google, openai, result, say

SIGNED = Opaque("google", "thought_signature", "c2ln")
CLAUDE_THOUGHT = Thinking("hm", (Opaque("anthropic", "signature", "sig"),))
PNG = Image("image/png", data="aGk=")
SVG = Image("image/svg+xml", data="aGk=")
PDF = File("application/pdf", "a.pdf", data="aGk=")
WAV = File("audio/wav", data="aGk=")

SYSTEM = (
    say("system", "Be brief."),
    say("user", "hi"),
    say("assistant", "yes"),
    say("developer", "In French."),
)


def test_system_messages() -> None:
    assert [m["role"] for m in openai(ask(*SYSTEM))["messages"]] == [
        "system",
        "user",
        "assistant",
        "developer",
    ]
    assert [m["role"] for m in openai(ask(*SYSTEM), "llama3")["messages"]][-1] == "system"
    assert anthropic(ask(*SYSTEM))["system"] == "Be brief."
    assert anthropic(ask(*SYSTEM))["messages"][-1]["role"] == "user"
    assert google(ask(*SYSTEM))["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert google(ask(*SYSTEM))["contents"][-1] == {
        "role": "user",
        "parts": [{"text": "[System instruction]"}, {"text": "In French."}],
    }


def test_a_system_turn_stays_in_place_where_the_model_takes_one() -> None:
    request = ask(say("user", "hi"), say("system", "In French."))
    assert [m["role"] for m in anthropic(request, "claude-opus-4-8")["messages"]] == ["user", "system"]
    assert [m["role"] for m in anthropic(request, "claude-haiku-4-5")["messages"]] == ["user"]


TORN = ask(
    say("user", "both"),
    say("assistant", "Looking.", call("c1", "Oslo"), call("c2", "Rome")),
    say("system", "Hurry."),
    say("tool", result("gone", Text("old"))),
    say("tool", result("c2", Text("25C"))),
    say("user", "go on"),
)
"""Parallel calls of which one has no result, and a result without its call."""


def test_torn_tool_history_at_openai() -> None:
    messages = openai(TORN)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "tool", "system", "user", "user"]
    assert messages[2] == {
        "role": "tool",
        "tool_call_id": "c1",
        "content": "Error:\nNo result: the call was interrupted.",
    }
    assert messages[3]["content"] == "25C"
    assert messages[5]["content"][1]["text"] == "old"


def test_torn_tool_history_at_anthropic() -> None:
    messages = anthropic(TORN)["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert [b["type"] for b in messages[1]["content"]] == ["text", "tool_use", "tool_use"]
    assert [b.get("tool_use_id") for b in messages[2]["content"]][:3] == ["c1", "c2", None]
    assert messages[2]["content"][0]["is_error"] is True
    assert messages[2]["content"][-1] == {"type": "text", "text": "go on"}


def test_torn_tool_history_at_google() -> None:
    contents = google(TORN)["contents"]
    assert [c["role"] for c in contents] == ["user", "model", "user"]
    assert contents[1]["parts"][1] == {
        "functionCall": {"name": "look", "args": {"at": "Oslo"}, "id": "c1"},
        "thoughtSignature": "skip_thought_signature_validator",
    }
    assert "thoughtSignature" not in contents[1]["parts"][2]
    assert contents[2]["parts"][1]["functionResponse"] == {
        "name": "look",
        "response": {"output": "25C"},
        "id": "c2",
    }
    assert "id" not in google(TORN, "gemini-2.5-flash")["contents"][1]["parts"][1]["functionCall"]


def test_ids_that_come_again_or_collide_stay_apart() -> None:
    history = (
        say("user", "hi"),
        say("assistant", call("a/b", "1"), call("a b", "2")),
        say("tool", result("a b", Text("two")), result("a/b", Text("one"))),
        say("assistant", call("a/b", "3")),
        say("tool", result("a/b", Text("three"))),
    )
    messages = openai(ask(*history))["messages"]
    asked = [c["id"] for m in messages for c in m.get("tool_calls", ())]
    answered = {m["tool_call_id"]: m["content"] for m in messages if m["role"] == "tool"}
    assert len(set(asked)) == 3
    assert [answered[id] for id in asked] == ["one", "two", "three"]


def test_an_interrupted_call_does_not_take_a_later_calls_result() -> None:
    history = (
        say("user", "hi"),
        say("assistant", call("call_0", "Oslo")),
        say("user", "stop; Rome?"),
        say("assistant", call("call_0", "Rome")),
        say("tool", result("call_0", Text("25C"))),
    )
    answered = [m["content"] for m in openai(ask(*history))["messages"] if m["role"] == "tool"]
    assert answered == ["Error:\nNo result: the call was interrupted.", "25C"]


def test_parallel_calls_of_a_protocol_without_ids_pair_in_order() -> None:
    history = (
        say("user", "hi"),
        say("assistant", call("", "Oslo"), call("", "Rome")),
        say("tool", result("", Text("3C"), name="look"), result("", Text("25C"), name="look")),
    )
    messages = openai(ask(*history))["messages"]
    assert [m["content"] for m in messages[2:]] == ["3C", "25C"]
    assert len({m["tool_call_id"] for m in messages[2:]}) == 2


ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("null", {}),
    ('{"n": 12345678901234567890123}', {"n": 12345678901234567890123}),
    ('{"city": "Os', {"invalid_json": '{"city": "Os'}),
    ("[1]", {"input": [1]}),
]


@pytest.mark.parametrize(("written", "expected"), ARGUMENTS)
def test_arguments_are_always_an_object(written: str, expected: dict[str, Any]) -> None:
    request = ask(
        say("user", "hi"), say("assistant", ToolCall("1", "look", written)), say("tool", result("1"))
    )
    assert anthropic(request)["messages"][1]["content"][0]["input"] == expected
    assert google(request)["contents"][1]["parts"][0]["functionCall"]["args"] == expected


def test_thinking_goes_home_only() -> None:
    request = ask(
        say("user", "hi"), say("assistant", CLAUDE_THOUGHT, Text("yes", opaque=(SIGNED,))), say("user", "so")
    )
    assert anthropic(request)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "yes"},
    ]
    assert anthropic(request, replay_thinking=False)["messages"][1]["content"] == [
        {"type": "text", "text": "yes"}
    ]
    assert google(request)["contents"][1]["parts"] == [{"text": "yes", "thoughtSignature": "c2ln"}]
    assert openai(request)["messages"][1] == {"role": "assistant", "content": "yes"}


def test_unsigned_and_redacted_thinking() -> None:
    redacted = Thinking(opaque=(Opaque("anthropic", "redacted_thinking", "blob"),))
    request = ask(say("user", "hi"), say("assistant", Thinking("cut"), redacted, "yes"), say("user", "so"))
    blocks = anthropic(request)["messages"][1]["content"]
    assert blocks == [{"type": "redacted_thinking", "data": "blob"}, {"type": "text", "text": "yes"}]


def test_a_signed_call_keeps_its_signature() -> None:
    request = ask(say("user", "hi"), say("assistant", call("c1", "Oslo", SIGNED)), say("tool", result()))
    assert google(request)["contents"][1]["parts"][0]["thoughtSignature"] == "c2ln"
    assert "c2ln" not in str(anthropic(request)) + str(openai(request))


def test_manual_thinking_is_off_in_a_tool_turn_that_began_without_it() -> None:
    begun = (say("user", "hi"), say("assistant", call()), say("tool", result()))
    request = ask(*begun, reasoning=Reasoning("high"))
    assert "thinking" not in anthropic(request, "claude-haiku-4-5")
    thought = (say("user", "hi"), say("assistant", CLAUDE_THOUGHT, call()), say("tool", result()))
    assert "thinking" in anthropic(ask(*thought, reasoning=Reasoning("high")), "claude-haiku-4-5")


def test_a_prefill_where_the_model_takes_one() -> None:
    request = ask(say("user", "hi"), say("assistant", "Sure, \n"))
    assert anthropic(request, "claude-haiku-4-5")["messages"][-1]["content"][0]["text"] == "Sure,"
    assert anthropic(request)["messages"][-1] == {
        "role": "user",
        "content": [{"type": "text", "text": "(Continue from here.)"}],
    }


MEDIA: list[tuple[str, Part, Any, dict[str, Any]]] = [
    (
        "openai",
        Image("image/png", data="aGk=", detail="high"),
        openai,
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
    ),
    ("openai", SVG, openai, {"type": "text", "text": "[image not shown: image/svg+xml]"}),
    (
        "openai",
        PDF,
        openai,
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
    ),
    ("openai", WAV, openai, {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}),
    (
        "openai",
        File(file_id="f1", file_provider="openai"),
        openai,
        {"type": "file", "file": {"file_id": "f1"}},
    ),
    (
        "anthropic",
        PNG,
        anthropic,
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
    ),
    (
        "anthropic",
        Image(url="https://x.org/a.png"),
        anthropic,
        {"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}},
    ),
    (
        "anthropic",
        PDF,
        anthropic,
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
        },
    ),
    (
        "anthropic",
        File("text/csv", "t.csv", data="YSxi"),
        anthropic,
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            "title": "t.csv",
        },
    ),
    ("anthropic", WAV, anthropic, {"type": "text", "text": "[audio not shown: audio/wav]"}),
    (
        "anthropic",
        File(file_id="f1", file_provider="openai"),
        anthropic,
        {"type": "text", "text": "[file not shown: application/octet-stream]"},
    ),
    ("google", WAV, google, {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}),
    (
        "google",
        Image(url="https://x.org/a.png"),
        google,
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x.org/a.png"}},
    ),
]


@pytest.mark.parametrize(("provider", "part", "encode", "expected"), MEDIA)
def test_media(provider: str, part: Part, encode: Any, expected: dict[str, Any]) -> None:
    body = encode(ask(say("user", "see", part)))
    turn = body["contents" if provider == "google" else "messages"][0]
    assert turn["parts" if provider == "google" else "content"][1] == expected


def test_pictures_in_results() -> None:
    request = ask(say("user", "hi"), say("assistant", call()), say("tool", result("c1", Text("here"), PNG)))
    assert [m["role"] for m in openai(request)["messages"]] == ["user", "assistant", "tool", "user"]
    assert anthropic(request)["messages"][2]["content"][0]["content"][1]["type"] == "image"
    assert len(google(request)["contents"][2]["parts"][0]["functionResponse"]["parts"]) == 1
    assert [p.keys() for p in google(request, "gemini-2.5-flash")["contents"][2]["parts"]] == [
        {"functionResponse"},
        {"inlineData"},
    ]


def test_failed_results_are_marked() -> None:
    request = ask(say("user", "hi"), say("assistant", call()), say("tool", result(is_error=True)))
    assert openai(request)["messages"][2]["content"] == "Error:\n3C"
    assert anthropic(request)["messages"][2]["content"][0]["is_error"] is True
    assert google(request)["contents"][2]["parts"][0]["functionResponse"]["response"] == {"error": "3C"}


def test_refusals() -> None:
    request = ask(say("user", "hi"), say("assistant", Refusal("I cannot.")), say("user", "why"))
    assert openai(request)["messages"][1] == {"role": "assistant", "content": None, "refusal": "I cannot."}
    assert openai(request, "llama3")["messages"][1] == {"role": "assistant", "content": "I cannot."}
    assert anthropic(request)["messages"][1]["content"] == [{"type": "text", "text": "I cannot."}]


def test_speakers() -> None:
    request = ask(say("user", "tea", name="ann"), say("user", "coffee", name="Bob B."))
    assert openai(request)["messages"][0] == {"role": "user", "content": "tea", "name": "ann"}
    assert openai(request)["messages"][1]["content"][0]["text"] == "Bob B.:"
    assert [b["text"] for b in anthropic(request)["messages"][0]["content"]] == [
        "ann:",
        "tea",
        "Bob B.:",
        "coffee",
    ]


def test_cache_marks() -> None:
    marked = [Text(str(n), cache="1h" if n % 2 else "5m") for n in range(7)]
    request = ask(say("system", Text("s", cache="1h")), say("user", *marked), tools=(LOOK,))
    body = anthropic(request)
    blocks = body["system"] + body["messages"][0]["content"]
    assert [(b["text"], b["cache_control"].get("ttl")) for b in blocks if "cache_control" in b] == [
        ("s", "1h"),
        ("4", None),
        ("5", None),
        ("6", None),
    ]
    inside = result("c1", *marked)
    nested = anthropic(ask(say("user", "hi"), say("assistant", call()), say("tool", inside)))["messages"][2]
    assert str(nested).count("cache_control") == 4
    breakpoints = [p for p in openai(request, "gpt-5.6-sol")["messages"][1]["content"] if len(p) > 2]
    assert [p["text"] for p in breakpoints] == ["4", "5", "6"]
    assert "cache" not in str(openai(request)) + str(google(request))


def test_results_without_the_calls_id_go_by_the_tools_name() -> None:
    history = (
        say("user", "hi"),
        say("assistant", call("c1", "Oslo"), call("c2", "Rome")),
        say("tool", result("", Text("3C"), name="look"), result("", Text("25C"), name="look")),
    )
    assert [m["content"] for m in openai(ask(*history))["messages"][2:]] == ["3C", "25C"]


def test_calls_that_had_no_ids_get_none_where_none_is_needed() -> None:
    history = (
        say("user", "hi"),
        say("assistant", call("")),
        say("tool", result("", Text("3C"), name="look")),
    )
    asked, answered = google(ask(*history))["contents"][1:]
    assert "id" not in asked["parts"][0]["functionCall"]
    assert "id" not in answered["parts"][0]["functionResponse"]


def block(kind: str, **fields: str) -> Native:
    return Native(Opaque("anthropic", "block", json.dumps({"type": kind, **fields})), (Text("told"),))


USED = block("server_tool_use", id="s1", name="web_search")
FOUND = block("web_search_tool_result", tool_use_id="s1")
TORN_SEARCHES: list[tuple[tuple[Native, ...], list[str]]] = [
    ((USED, FOUND), ["server_tool_use", "web_search_tool_result", "text"]),
    ((USED,), ["text"]),
    ((FOUND,), ["text"]),
    ((FOUND, USED), ["text"]),
    ((USED, USED, FOUND), ["server_tool_use", "web_search_tool_result", "text"]),
]


@pytest.mark.parametrize(("natives", "kinds"), TORN_SEARCHES)
def test_server_tools_go_back_whole_or_not_at_all(natives: tuple[Native, ...], kinds: list[str]) -> None:
    request = ask(say("user", "hi"), say("assistant", *natives, "so"), say("user", "ok"))
    assert [b["type"] for b in anthropic(request)["messages"][1]["content"]] == kinds


def test_others_are_told_what_there_is_to_tell_of_a_native_block() -> None:
    request = ask(say("user", "hi"), say("assistant", USED, "so"), say("user", "ok"))
    assert [p["text"] for p in google(request)["contents"][1]["parts"]] == ["told", "so"]
    assert [p["text"] for p in openai(request)["messages"][1]["content"]] == ["told", "so"]


def test_citations_go_home_until_the_history_is_edited() -> None:
    cited = Opaque("anthropic", "citation", '{"type":"char_location"}')
    said = Text("3C", (Citation("3", opaque=cited), Citation("foreign")))
    request = ask(say("user", "hi"), say("assistant", said), say("user", "ok"))
    assert anthropic(request)["messages"][1]["content"][0]["citations"] == [{"type": "char_location"}]
    assert "citations" not in str(anthropic(request, replay_thinking=False))
    assert "char_location" not in str(google(request)) + str(openai(request))


def test_an_answer_that_ends_on_thinking_ends_before_it() -> None:
    request = ask(say("user", "hi"), say("assistant", "so", CLAUDE_THOUGHT), say("user", "ok"))
    assert [b["type"] for b in anthropic(request)["messages"][1]["content"]] == ["text"]
    alone = ask(say("user", "hi"), say("assistant", CLAUDE_THOUGHT), say("user", "ok"))
    assert [m["role"] for m in anthropic(alone)["messages"]] == ["user"]


def test_tools_that_were_called_and_are_gone_stand_in() -> None:
    request = ask(say("user", "hi"), say("assistant", call()), say("tool", result()))
    body = anthropic(request)
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["look"], {"type": "none"})
    assert "tools" not in openai(request)


def test_what_stands_beside_a_block_goes_home_with_it() -> None:
    def beside(provider: str) -> Opaque:
        return Opaque(provider, "rest", '{"extra":1}')

    for provider, encode in (("anthropic", anthropic), ("google", google)):
        for stranger, other in (("anthropic", anthropic), ("google", google), ("openai", openai)):
            request = ask(say("user", Image("image/png", "aGk=", opaque=(beside(provider),))))
            assert ("extra" in str(other(request))) is (other is encode), (provider, stranger)


def test_a_tool_that_a_provider_runs_is_offered_there_alone() -> None:
    search = Tool("web_search", opaque=(Opaque("anthropic", "tool", '{"type":"web_search_20250305"}'),))
    request = ask(tools=(LOOK, search))
    assert anthropic(request)["tools"][1] == {"type": "web_search_20250305"}
    assert len(openai(request)["tools"]) == len(google(request)["tools"]) == 1
    assert "tools" not in google(ask(tools=(search,)))
