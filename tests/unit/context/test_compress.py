"""A conversation within a budget: what always holds, whatever the conversation is."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chat import File, Image, Message, Text, Thinking, ToolCall, ToolResult
from models.context import Prepared, Turn, compress, counter, turns_of
from models.context.tokens import MESSAGE_OVERHEAD, Count, four_characters
from models.errors import InvalidRequest
from tests.unit.context.samples import Turns, joined, said, small_talk, tool_exchange, with_statements

COUNTS: list[Count] = [four_characters, counter("gpt"), counter("claude")]
TEXT = st.text(max_size=300) | st.sampled_from(
    ["", "x" * 2_000, "One. Two! Three? Four.", "```\ndef f():\n    return 1\n```", "a: b\n" * 30]
)
PLAIN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": TEXT})
EXCHANGE = st.builds(
    lambda name, answer, answered: tool_exchange(name, name, '{"q": "find it"}', answer)[: 1 + answered],
    st.text(min_size=1, max_size=12),
    TEXT | st.just('[{"a": 1, "b": "x y"}, {"a": 2, "b": "z"}, {"a": 3, "b": "w"}]'),
    st.booleans(),
)
CONVERSATION = st.lists(PLAIN.map(lambda turn: [turn]) | EXCHANGE, max_size=12).map(
    lambda parts: [turn for part in parts for turn in part]
)


def used(texts: list[str], count: Count) -> int:
    return sum(count(text) + MESSAGE_OVERHEAD for text in texts)


@settings(max_examples=60, deadline=None)
@given(CONVERSATION, st.integers(-5, 400), st.none() | TEXT, st.sampled_from(COUNTS))
def test_a_budget_holds(turns: Turns, budget: int, question: str | None, count: Count) -> None:
    prepared = Prepared(turns, count=count)
    made = prepared.fit(budget, question)
    assert made.tokens == used(made.texts, count) <= max(0, budget)
    assert made.tokens <= prepared.reading.tokens
    report = prepared.report(made, budget_tokens=budget)
    assert report.preservation.stale == 0
    assert 0 <= report.preservation.score <= 1


@settings(max_examples=15, deadline=None)
@given(CONVERSATION, st.integers(0, 400), st.none() | TEXT)
def test_the_same_conversation_is_compressed_the_same(
    turns: Turns, budget: int, question: str | None
) -> None:
    assert compress(turns, budget, question) == compress(turns, budget, question)


def test_what_fits_is_sent_as_it_is() -> None:
    turns = [said("system", "Be brief."), said("user", "Hello."), said("assistant", "Hello!")]
    assert compress(turns, 100) == ["Be brief.", "Hello.", "Hello!"]
    assert compress([], 10) == []
    assert compress(turns, 0, "Hello?") == []


def test_instructions_come_first_and_whole() -> None:
    instructions = "You are a careful assistant of a railway. Never promise a refund. Answer in Welsh."
    turns = [said("system", instructions), *small_talk(3)]
    for question in (None, "How are bridges tested?"):
        assert compress(turns, 250, question)[0] == instructions


def test_what_was_stated_survives_in_small_budgets() -> None:
    turns = with_statements(0, "I'm allergic to peanuts.", "My order number is KX-48213, remember it.")
    sent = joined(compress(turns, 200))
    assert "I'm allergic to peanuts." in sent
    assert "KX-48213" in sent


def test_a_question_finds_what_was_said_near_its_words() -> None:
    turns = with_statements(1, "The spare key?", "Under the third flowerpot, as ever.")
    place = next(index for index, turn in enumerate(turns) if turn["content"] == "The spare key?")
    turns[place + 1] = said("assistant", "With Mrs Okafor on the ground floor.")
    assert "Mrs Okafor" in joined(compress(turns, 120, "Who has the spare key?"))


@pytest.mark.parametrize("question", ["And the other one?", "Why not?", "Go on."])
def test_a_question_that_names_nothing_is_about_what_was_said_last(question: str) -> None:
    turns = [*small_talk(5), said("user", "Which train?"), said("assistant", "The 9:14, or the slow 9:40.")]
    made = compress(turns, 200, question)
    assert "The 9:14, or the slow 9:40." in made
    assert "Which train?" in made


def test_meaning_counts_where_it_is_given() -> None:
    turns = with_statements(1, "Our physician is in Ghent.", "We saw a fine film.")

    def embed(texts: Any) -> list[list[float]]:
        return [[1.0, 0.0] if "physician" in text or "doctor" in text else [0.0, 1.0] for text in texts]

    assert "Ghent" in joined(compress(turns, 80, "Where do we see the doctor?", embed=embed))


def test_an_open_call_is_kept_with_what_asked_for_it() -> None:
    turns = [*small_talk(2), *tool_exchange("c9", "transfer", '{"amount": "12 EUR"}', "")[:1]]
    prepared = Prepared(turns)
    made = prepared.fit(150, "What about the basil?")
    report = prepared.report(made, budget_tokens=150)
    assert report.open_calls == ("transfer",)
    assert report.preservation.tasks == 1.0
    assert "12 EUR" in joined(made.texts)


def test_what_does_not_depend_on_the_question_stays_the_same() -> None:
    turns = [said("system", "Be brief."), *with_statements(1, "My budget is $700.", "I live in Leeds.")]
    prepared = Prepared(turns)
    questions = ("How are bridges tested?", "What is my budget?", "Who wrote Middlemarch?")
    made = [prepared.fit(400, question) for question in questions]
    blocks = [[piece.block for piece in one.pieces] for one in made]
    assert blocks == [["instructions", "summary", *["recent"] * (len(blocks[0]) - 3), "retrieved"]] * 3
    assert made[0].texts[:-1] == made[1].texts[:-1] == made[2].texts[:-1]


def test_a_cut_is_sent_again_until_it_leaves_no_room() -> None:
    turns = small_talk(4)
    first = Prepared(turns).fit(500, "How are bridges tested?")
    grown = [*turns, said("user", "What is sourdough again?"), said("assistant", "Bread that rose slowly.")]
    second = Prepared(grown).fit(500, "What is sourdough?", cut=first.cut)
    assert first.cut is not None
    assert second.cut == first.cut
    assert second.texts[0] == first.texts[0] == first.cut.text
    assert "Bread that rose slowly." in second.texts
    full = [*grown, *small_talk(9, exchanges=12)]
    third = Prepared(full).fit(500, "What is sourdough?", cut=first.cut)
    assert third.cut != first.cut
    assert third.tokens <= 500


def test_canonical_messages_are_read_as_turns() -> None:
    messages = (
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Look at this."), Image(url="https://example.org/a.png"))),
        Message("assistant", (Thinking("private"), Text("Looking."), ToolCall("c1", "zoom", '{"by": 2}'))),
        Message("tool", (ToolResult("c1", (Text("done"), File(filename="a.pdf")), name="zoom"),)),
    )
    system, user, assistant, tool = turns_of(messages)
    assert system == Turn("system", "Be brief.")
    assert user.text == "Look at this.\n[image https://example.org/a.png]"
    assert assistant.body == 'Looking. [{"id":"c1","name":"zoom","arguments":{"by":2}}]'
    assert tool == Turn("tool", "done\n[file a.pdf]", call_id="c1", name="zoom")


@pytest.mark.parametrize("turn", [{}, {"role": 3}, {"role": "user", "content": 7}])
def test_what_is_no_turn_is_refused(turn: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        compress([turn], 10)
