"""Whatever the history, each provider gets a body that it accepts."""

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
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
from models.providers import anthropic_messages, google_generate, openai_chat
from models.providers.profiles import Profiles
from tests.unit.providers.wire_rules import anthropic_problems, google_problems, openai_problems

PROFILES = Profiles.load()

words = st.sampled_from(["", " ", "\n", "yes", "Grüße 🌍", "a\n "]) | st.text(max_size=5)
ids = st.sampled_from(["", "a", "b", "a b", "a/b", "call_1", "x" * 70, "ü"])
names = st.sampled_from(["", "look", "look up", "9lives", "n" * 200, "n" * 199 + "m"])
artefacts = st.lists(
    st.builds(
        Opaque,
        provider=st.sampled_from(["openai", "anthropic", "google"]),
        kind=st.sampled_from(["signature", "redacted_thinking", "thought_signature", "other"]),
        value=st.sampled_from(["", "c2ln"]),
    ),
    max_size=2,
).map(tuple)
marks = st.sampled_from([None, "5m", "1h"])
texts = st.builds(Text, text=words, cache=marks, opaque=artefacts)
images = st.builds(
    Image,
    media_type=st.sampled_from(["", "image/png", "image/svg+xml"]),
    data=st.sampled_from(["", "aGk="]),
    url=st.sampled_from(["", "https://example.org/a.png"]),
    file_id=st.sampled_from(["", "file-1"]),
    file_provider=st.sampled_from(["", "openai", "anthropic", "google"]),
    cache=marks,
)
files = st.builds(
    File,
    media_type=st.sampled_from(["", "application/pdf", "audio/wav", "text/csv", "video/mp4"]),
    filename=st.sampled_from(["", "a.pdf"]),
    data=st.sampled_from(["", "aGk=", "not base64"]),
    text=words,
    url=st.sampled_from(["", "https://example.org/a.pdf"]),
    file_id=st.sampled_from(["", "file-1"]),
    file_provider=st.sampled_from(["", "openai", "anthropic", "google"]),
    cache=marks,
)
json_text = st.sampled_from(
    ["", "null", "{}", '{"a": 123456789012345678901}', "[1]", '{"a', "NaN", '"\\ud800"']
)
calls = st.builds(ToolCall, id=ids, name=names, arguments=json_text, opaque=artefacts)
results = st.builds(
    ToolResult,
    call_id=ids,
    parts=st.lists(texts | images | files, max_size=2).map(tuple),
    name=names,
    is_error=st.booleans(),
    cache=marks,
)
natives = st.builds(
    Native,
    opaque=st.sampled_from(
        [
            Opaque("anthropic", "block", '{"type":"server_tool_use","id":"without a result"}'),
            Opaque("openai_responses", "block", '{"type":"web_search_call"}'),
        ]
    ),
    parts=st.lists(texts, max_size=1).map(tuple),
)
thoughts = st.builds(Thinking, text=words, opaque=artefacts)
parts: st.SearchStrategy[Part] = st.one_of(
    texts, images, files, calls, results, thoughts, natives, st.builds(Refusal, text=words)
)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    parts=st.lists(parts, max_size=4).map(tuple),
    name=st.sampled_from(["", "ann", "Ann B."]),
)
schemas = st.sampled_from(
    [None, {}, {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}, {"type": 1}]
)
requests = st.builds(
    ChatRequest,
    model=st.just("auto"),
    messages=st.lists(messages, max_size=8).map(tuple),
    tools=st.lists(st.builds(Tool, name=names, parameters=schemas, strict=st.booleans()), max_size=2).map(
        tuple
    ),
    tool_choice=st.none() | st.builds(ToolChoice, mode=st.sampled_from(["auto", "none", "required"])),
    response_format=st.none()
    | st.builds(ResponseFormat, kind=st.sampled_from(["json_object", "json_schema"]), schema=schemas),
    reasoning=st.none() | st.builds(Reasoning, effort=st.sampled_from([None, "none", "high"])),
    max_tokens=st.none() | st.integers(0, 5_000),
    temperature=st.none() | st.floats(-1, 3),
    stop=st.lists(words, max_size=6).map(tuple),
)
few = settings(max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@few
@given(requests)
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5.6-sol", "llama3"])
def test_openai(model: str, request: ChatRequest) -> None:
    body = openai_chat.encode(request, model=model, profile=PROFILES.for_model("openai", model))
    assert list(openai_problems(body)) == []
    msgspec.json.encode(body)


@few
@given(requests)
@pytest.mark.parametrize(
    "model", ["claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-5-5"]
)
def test_anthropic(model: str, request: ChatRequest) -> None:
    profile = PROFILES.for_model("anthropic", model)
    body = anthropic_messages.encode(request, model=model, profile=profile, max_output_tokens=8_192)
    assert list(anthropic_problems(body, prefill=profile.prefill, mid_system=profile.mid_system)) == []
    msgspec.json.encode(body)


@few
@given(requests)
@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemini-2.5-pro", "gemini-3.5-flash"])
def test_google(model: str, request: ChatRequest) -> None:
    profile = PROFILES.for_model("google", model)
    body = google_generate.encode(request, model=model, profile=profile)
    assert list(google_problems(body, signed_calls=profile.signed_calls, call_ids=profile.call_ids)) == []
    msgspec.json.encode(body)


@few
@given(requests, st.lists(messages, max_size=3).map(tuple))
def test_what_was_sent_before_stays_the_same(request: ChatRequest, later: tuple[Message, ...]) -> None:
    """Caches hold prefixes: a longer conversation begins with the bytes of the shorter one's closed turns."""
    profile = PROFILES.for_model("anthropic", "claude-opus-5-5")
    longer = ChatRequest(model="auto", messages=request.messages + later)
    first = anthropic_messages.encode(
        ChatRequest(model="auto", messages=request.messages), model="m", profile=profile
    )["messages"]
    second = anthropic_messages.encode(longer, model="m", profile=profile)["messages"]
    ids = [block["id"] for turn in first for block in turn["content"] if block["type"] == "tool_use"]
    later_ids = [block["id"] for turn in second for block in turn["content"] if block["type"] == "tool_use"]
    assert later_ids[: len(ids)] == ids
