"""An answer in two halves: what the second model is told, how its words are joined on, what the end says."""

import json

import pytest
from msgspec.structs import replace

from models.catalog import load_catalog
from models.chat import (
    ChatRequest,
    Chunk,
    Finished,
    Message,
    OpaqueDelta,
    RefusalDelta,
    ResponseFormat,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallStarted,
    Usage,
)
from models.continuation import GO_ON, MOST_CHARS, Seam, continued, is_plain, said_so_far, told_of, whole
from models.dialects import anthropic_stream, gemini_stream, openai_chat_stream
from tests.ledger_samples import record

CATALOG = load_catalog().models
GPT, PREFILLED = CATALOG["gpt-6-sol"], CATALOG["claude-haiku-4-5"]
REQUEST = ChatRequest(model="auto", messages=(Message("user", (Text("Count to six."),)),), max_tokens=100)
SAID = "One, two, three "
USAGE = Usage(input=10, output=5)


def test_a_model_that_takes_beginnings_is_given_one() -> None:
    asked = continued(REQUEST, SAID, PREFILLED)
    assert asked.messages == (*REQUEST.messages, Message("assistant", (Text("One, two, three"),)))


def test_another_is_told_to_go_on_exactly_there() -> None:
    asked = continued(REQUEST, SAID, GPT)
    *before, answer, instruction = asked.messages
    assert before == list(REQUEST.messages)
    assert answer == Message("assistant", (Text("One, two, three"),))
    assert instruction == Message("user", (GO_ON,))


def test_of_an_answer_that_had_only_been_thought_about_nothing_is_told() -> None:
    assert continued(REQUEST, "", GPT) == REQUEST


@pytest.mark.parametrize(("most", "left"), [(None, None), (100, 90), (20, 16), (1, 16)])
def test_what_was_said_counts_against_the_longest_answer(most: int | None, left: int | None) -> None:
    assert continued(replace(REQUEST, max_tokens=most), "x" * 40, GPT).max_tokens == left


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Text("One, "), Thinking("hm"), Text("two")), "One, two"),
        ((Thinking("hm"),), ""),
        ((Text("Let me look."), ToolCall("c", "look", '{"wh')), None),
        ((Text("x" * (MOST_CHARS + 1)),), None),
    ],
)
def test_texts_alone_can_be_gone_on_with(parts: tuple[Text | Thinking | ToolCall, ...], said: str) -> None:
    assert said_so_far(parts) == said


def test_half_a_document_is_not_gone_on_with() -> None:
    assert is_plain(REQUEST)
    assert is_plain(replace(REQUEST, response_format=ResponseFormat("text")))
    assert not is_plain(replace(REQUEST, response_format=ResponseFormat("json_object")))


LONG = "The quick brown fox jumps over the lazy dog"


@pytest.mark.parametrize(
    ("said", "pieces", "joined"),
    [
        ("One, two", [", three", ", four"], ", three, four"),
        ("Hel", ["lo"], "lo"),
        ("One, two ", [" three"], "three"),
        ("One, two\n", ["\n", "\n", "three"], "three"),
        (LONG, ["over the lazy dog", " and sleeps"], " and sleeps"),
        (LONG, ["\n", "over the ", "lazy dog and sleeps"], " and sleeps"),
        (LONG, ["dog", " food"], "dog food"),
        ("}\n    }\n" * 9, ["    }\n", "}\n", "end"], "}\n}\nend"),
        ("", ["One"], "One"),
        (LONG, ["over the lazy dog"], ""),
    ],
)
def test_the_halves_are_joined(said: str, pieces: list[str], joined: str) -> None:
    seam = Seam(said)
    batches = [seam.join([TextDelta(piece)]) for piece in pieces]
    batches.append(seam.join([Finished("stop", USAGE)]))
    assert batches[-1].pop() == Finished("stop", USAGE)
    texts = [chunk.text for batch in batches for chunk in batch if isinstance(chunk, TextDelta)]
    assert "".join(texts) == joined
    assert all(texts)


def test_what_is_new_is_not_held_back() -> None:
    seam = Seam(LONG)
    assert seam.join([TextDelta(" and then")]) == [TextDelta(" and then")]
    assert seam.join([TextDelta(" over the lazy dog")]) == [TextDelta(" over the lazy dog")]


def test_one_that_goes_on_with_its_own_beginning_may_say_a_thing_twice() -> None:
    seam = Seam(LONG, may_repeat=False)
    assert seam.join([TextDelta("over the lazy dog")]) == [TextDelta("over the lazy dog")]


def test_a_second_answers_start_and_thoughts_are_not_the_clients() -> None:
    chunks: list[Chunk] = [Started("i", "m"), ThinkingDelta("hm"), TextDelta(""), TextDelta(" and so on")]
    assert Seam(LONG).join(chunks) == [TextDelta(" and so on")]
    call = ToolCallStarted(0, "c", "look")
    assert Seam(LONG).join([TextDelta("the"), call]) == [TextDelta("the"), call]
    assert Seam(LONG).join([TextDelta("the"), RefusalDelta("no")]) == [TextDelta("the"), RefusalDelta("no")]


LEG = replace(record(), model_id="gpt-6-sol", provider="openai", cost_pico=1_500_000)


def test_the_end_has_the_usage_of_both() -> None:
    leg = replace(LEG, input_tokens=7, cache_read_tokens=3, output_tokens=4, reasoning_tokens=1)
    end = whole(Finished("stop", USAGE), [leg])
    assert end.usage == Usage(input=17, cache_read=3, output=9, reasoning=1, estimated=True)


def test_the_end_says_who_gave_which_part_in_dialects_with_room_for_it() -> None:
    legs = [LEG, replace(LEG, model_id="claude-haiku-5-5", provider="anthropic", cost_pico=2_000_000)]
    batch: list[Chunk] = [*told_of(legs), Finished("stop", USAGE)]
    openai = openai_chat_stream.StreamEncoder(id="i", model="m", created=1, include_usage=True)
    anthropic = anthropic_stream.StreamEncoder(id="i", model="m", is_own=False)
    gemini = gemini_stream.StreamEncoder(id="i", model="m", sse=True)
    shown = {
        "continued": [
            {"model": "gpt-6-sol", "provider": "openai", "cost_usd": "0.0000015"},
            {"model": "claude-haiku-5-5", "provider": "anthropic", "cost_usd": "0.000002"},
        ]
    }
    for encoder in (openai, anthropic, gemini):
        encoder.encode([Started("i", "m"), TextDelta("Hel")])
        end = encoder.encode(list(batch), cost_pico=3_500_000).decode()
        events = [json.loads(line[6:]) for line in end.splitlines() if line.startswith('data: {"')]
        assert [event["x_polyvox"] for event in events if "x_polyvox" in event][-1] == shown


def test_what_the_end_says_is_nobodys_text() -> None:
    assert all(isinstance(chunk, OpaqueDelta) for chunk in told_of([LEG]))
