"""`models.providers.translate` as callers see it."""

import json
from copy import deepcopy
from typing import Any

import pytest

from models.errors import InvalidRequest, UnsupportedParameter
from models.providers import translate

Json = dict[str, Any]

GEMINI: Json = {
    "contents": [
        {"role": "user", "parts": [{"text": "hi"}]},
        {
            "role": "model",
            "parts": [{"functionCall": {"name": "now", "args": {}}, "thoughtSignature": "sig"}],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "now", "response": {"output": "noon"}}}]},
    ]
}
HI: Json = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]}


def signatures(body: Json) -> list[str]:
    return [p["thoughtSignature"] for c in body["contents"] for p in c["parts"] if "thoughtSignature" in p]


@pytest.mark.parametrize(
    ("producer", "expected"),
    [
        (None, ["sig"]),
        ("gemini-2.5-pro", ["sig"]),
        ("a-model-of-nobody-known", ["sig"]),
        ("claude-opus-5-5", ["skip_thought_signature_validator"]),
    ],
)
def test_artefacts_are_their_producers(producer: str | None, expected: list[str]) -> None:
    options = {"producer": producer} if producer else {}
    assert signatures(translate("gemini", GEMINI, "gemini", "gemini-3.5-flash", options)) == expected


def test_the_longest_answer_of_the_target_is_a_ceiling() -> None:
    body = translate("openai_chat", HI, "anthropic", "claude-opus-5-5", {"max_output_tokens": 77})
    assert body["max_tokens"] == 77


ELSEWHERE: list[tuple[Any, Json, str]] = [
    ("openai_responses", {"input": "hi", "previous_response_id": "r1"}, "previous_response_id"),
    ("openai_responses", {"input": "hi", "conversation": "c1"}, "conversation"),
    ("gemini", {**GEMINI, "cachedContent": "c1"}, "cachedContent"),
]


@pytest.mark.parametrize(("format", "body", "param"), ELSEWHERE)
def test_what_lies_at_the_provider_is_not_left_out_in_silence(format: Any, body: Json, param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        translate(format, body, "anthropic", "claude-opus-5-5")
    assert caught.value.param == param
    assert translate(format, body, format, "gpt-5.5")[param] == body[param]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="soap"):
        translate("soap", HI, "anthropic", "claude-opus-5-5")  # type: ignore[arg-type]


def test_the_source_is_left_as_it_was() -> None:
    before = deepcopy(GEMINI)
    translate("gemini", GEMINI, "anthropic", "claude-opus-5-5")
    assert json.dumps(GEMINI) == json.dumps(before)


def test_signatures_that_googles_openai_dialect_carries() -> None:
    function = {"name": "now", "arguments": "{}"}
    call = {"id": "c1", "type": "function", "function": function}
    call["extra_content"] = {"google": {"thought_signature": "sig"}}
    history = [
        *HI["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
    ]
    body = {"model": "gemini-3.5-flash", "messages": history}
    assert signatures(translate("openai_chat", body, "gemini", "gemini-3.5-flash")) == ["sig"]
    assert "sig" not in str(translate("openai_chat", body, "openai_chat", "gpt-5.5"))
