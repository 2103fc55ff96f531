"""Histories as documents: read from each format, written in each, and back."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.chat import File, Image, Message, Opaque, Refusal, Text, Thinking, ToolCall, ToolResult
from models.errors import InvalidRequest
from models.providers import Format as WireFormat
from models.translation import read_history, write_history
from tests.translation.bodies.dice import Dice
from tests.translation.facts import FORMATS, Format
from tests.translation.pairs import Pair, body_of, view
from tests.translation.sameness import not_same

EXAMPLES: dict[Format, str] = {
    "openai_chat": "gpt-5.5",
    "openai_responses": "gpt-5.5",
    "anthropic": "claude-sonnet-5",
    "gemini": "gemini-3.5-flash",
}
PAIRS = [(one, other) for one in FORMATS for other in FORMATS if one != other]
few = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
dice = st.randoms(use_true_random=False).map(Dice)

TALK = (
    Message("system", (Text("Be brief."),)),
    Message("user", (Text("What is in this picture?"), Image(media_type="image/png", data="aGk="))),
    Message("assistant", (Text("A cat. I look its breed up."), ToolCall("c1", "look_up", '{"of":"cat"}'))),
    Message("tool", (ToolResult("c1", (Text("A tabby."),), "look_up"),)),
    Message("assistant", (Text("It is a tabby."),)),
    Message("user", (Text("Thank you."),)),
    Message("assistant", (Text("You are welcome."),)),
)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@few
@given(dice=dice)
def test_a_history_goes_there_and_back(first: Format, second: Format, dice: Dice) -> None:
    pair = Pair(first, second, EXAMPLES[first], EXAMPLES[second])
    body = body_of(dice, first, pair.source_model)
    there = write_history(second, read_history(first, body))
    back = write_history(first, read_history(second, there))
    assert list(not_same(pair, view(first, body), view(first, back))) == []


@pytest.mark.parametrize("format", FORMATS)
@few
@given(dice=dice)
def test_what_has_been_written_once_is_read_and_written_as_it_is(format: Format, dice: Dice) -> None:
    written = write_history(format, read_history(format, body_of(dice, format, EXAMPLES[format])))
    assert write_history(format, read_history(format, written)) == written


@pytest.mark.parametrize("format", FORMATS)
def test_an_ordinary_talk_comes_back_as_it_was(format: Format) -> None:
    read = read_history(format, write_history(format, TALK))
    assert spoken(read) == spoken(TALK)


def spoken(messages: Sequence[Message]) -> list[Any]:
    """OpenAI's Responses have a call apart from what was said before it."""
    return [(one.role, part) for one in messages for part in plain(one)]


def plain(message: Message) -> list[Any]:
    """Parts but for ids, which are each provider's own."""
    told: list[Any] = []
    for part in message.parts:
        match part:
            case Text(text=text):
                told.append(text)
            case Image(data=data):
                told.append(("image", data))
            case ToolCall(name=name, arguments=arguments):
                told.append((name, arguments.replace(" ", "")))
            case ToolResult(parts=parts):
                told += [one.text for one in parts if isinstance(one, Text)]
            case _:
                told.append(part)
    return told


@pytest.mark.parametrize("format", FORMATS)
def test_only_messages_are_written(format: Format) -> None:
    fields = {
        "openai_chat": {"messages"},
        "openai_responses": {"input", "instructions"},
        "anthropic": {"messages", "system"},
        "gemini": {"contents", "systemInstruction"},
    }[format]
    assert write_history(format, TALK).keys() <= fields


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "last",
    [
        Message("assistant", ()),
        Message("assistant", (Text(""),)),
        Message("assistant", (Thinking("hm", (Opaque("nobody", "signature", "s"),)),)),
        Message("assistant", (Refusal("No."),)),
        Message("assistant", (ToolCall("c2", "look_up", '{"of":'),)),
        Message("user", (File(media_type="application/pdf", filename="a.pdf", data="aGk="),)),
        Message("tool", (ToolResult("nobody", (Text("lost"),)),)),
    ],
    ids=["empty", "blank", "thoughts", "refusal", "cut call", "document", "answer to nobody"],
)
def test_whatever_a_conversation_ends_with_can_be_written_and_read_again(
    format: Format, last: Message
) -> None:
    read = read_history(format, write_history(format, [*TALK, last, Message("user", (Text("Go on."),))]))
    assert plain(read[0]) == ["Be brief."]
    assert plain(read[-1])[-1] == "Go on."


@pytest.mark.parametrize("format", FORMATS)
def test_a_part_of_a_stored_history_can_be_written(format: Format) -> None:
    for first in range(len(TALK)):
        for end in range(first + 1, len(TALK) + 1):
            read_history(format, write_history(format, TALK[first:end]))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("body", [{}, {"messages": 5, "input": 5, "contents": 5}, {"messages": [5]}])
def test_what_is_no_history_is_refused(format: Format, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        read_history(format, body)


def test_a_format_that_there_is_not_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_history("xml", {})  # type: ignore[arg-type]
    assert caught.value.param == "format"
    assert set(get_args(WireFormat)) == set(FORMATS)
