"""An assembly as messages: what is whole, what stands in blocks, what is kept to oneself."""

from collections.abc import Sequence

import pytest

from models.chat import File, Image, Message, Opaque, Text, Thinking, ToolCall, ToolResult
from models.context import Assembly, Piece, lighter, messages_of, turns_of
from models.context.sending import ABOUT, BEFORE

SYSTEM = Message("system", (Text("Be brief."),))
SEALED = Thinking("hm", (Opaque("anthropic", "signature", "s"),))
ASKED = Message("user", (Text("Look it up."),))
CALLED = Message("assistant", (SEALED, ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")))
FOUND = Message("tool", (ToolResult("c1", (Text("one"),)), ToolResult("c2", (Text("two"),))))
OLD = Message("assistant", (SEALED, Text("It is so.")))
ONLY_THOUGHT = Message("assistant", (SEALED,))
NEW = Message("user", (Text("And now?"),))
BARE = Message("assistant", CALLED.parts[1:])
PICTURE, DOCUMENT = (
    Image(data="x" * 100),
    File(media_type="application/pdf", filename="a.pdf", data="y" * 100),
)


def assembly(*pieces: Piece) -> Assembly:
    return Assembly(pieces, frozenset(), frozenset(), 0)


def turns(history: Sequence[Message], *places: int) -> list[Piece]:
    read = turns_of(history)
    return [Piece("recent", read[turn].body, turn) for turn in places]


def summary(text: str) -> Piece:
    return Piece("summary", text)


def retrieved(text: str) -> Piece:
    return Piece("retrieved", text)


def test_whole_turns_stand_as_they_were_said_and_the_summary_between_them() -> None:
    history = [SYSTEM, ASKED, OLD]
    pieces = turns(history, 0)[0], summary("short"), *turns(history, 1, 2)
    assert messages_of(assembly(*pieces), history, [NEW]) == (
        SYSTEM,
        Message("user", (Text(BEFORE + "short"),)),
        ASKED,
        Message("assistant", (Text("It is so."),)),
        NEW,
    )


def test_a_message_of_several_turns_is_sent_once() -> None:
    history = [ASKED, CALLED, FOUND]
    assert len(turns_of(history)) == 4
    sent = messages_of(assembly(*turns(history, 0, 1, 2, 3)), history, [FOUND])
    assert sent == (ASKED, CALLED, FOUND, FOUND)


@pytest.mark.parametrize(
    ("new", "called"),
    [
        ([], CALLED),
        ([FOUND], CALLED),
        ([FOUND, NEW], CALLED),
        ([SYSTEM, FOUND], CALLED),
        ([NEW], BARE),
        ([NEW, FOUND], BARE),
        ([SYSTEM, NEW], BARE),
    ],
)
def test_thoughts_go_along_while_tools_that_they_called_for_answer(
    new: list[Message], called: Message
) -> None:
    history = [Message("user", (Text("before"),)), OLD, ASKED, CALLED]
    sent = messages_of(assembly(*turns(history, 0, 1, 2, 3)), history, new)
    assert sent[1] == Message("assistant", (Text("It is so."),))
    assert sent[3] == called


def test_a_message_of_thoughts_alone_is_gone_with_them() -> None:
    history = [ASKED, ONLY_THOUGHT]
    assert messages_of(assembly(*turns(history, 0, 1)), history, [NEW]) == (ASKED, NEW)


@pytest.mark.parametrize(
    ("new", "at"),
    [([NEW], 0), ([ASKED, NEW], 1), ([NEW, SYSTEM], 0), ([FOUND], None), ([], None)],
)
def test_what_a_question_is_about_stands_before_it(new: list[Message], at: int | None) -> None:
    sent = messages_of(assembly(retrieved("Porto")), [], new)
    reminded = [n for n, one in enumerate(sent) if one.parts[0] == Text(ABOUT + "Porto")]
    assert reminded == ([] if at is None else [at])
    if at is not None:
        assert sent[at].parts[1:] == new[at].parts


def test_nothing_of_nothing() -> None:
    assert messages_of(assembly(), [], []) == ()


def weigh(message: Message) -> int:
    return 10 if message.parts else 0


def shown(messages: Sequence[Message]) -> list[str]:
    return ["".join(turn.body for turn in turns_of([one])) for one in messages]


@pytest.mark.parametrize(
    ("tokens", "size", "named"),
    [(30, 300, 0), (29, 300, 1), (30, 299, 1), (10, 300, 2), (9, 300, 3), (300, 0, 3), (0, 0, 3)],
)
def test_the_oldest_pictures_are_named_where_there_is_no_room(tokens: int, size: int, named: int) -> None:
    with_one = [Message("user", (Text(f"See {n}."), PICTURE)) for n in range(3)]
    messages = [one for picture in with_one for one in (picture, OLD)]
    sent = lighter(messages, tokens=tokens, size=size, weigh=weigh)
    assert [PICTURE in one.parts for one in sent[::2]] == [n >= named for n in range(3)]
    assert sent[1::2] == tuple(messages[1::2])
    assert shown(sent) == shown(messages)


def test_what_tools_have_drawn_and_documents_are_named_too() -> None:
    drawn = Message("tool", (ToolResult("c1", (Text("see"), PICTURE), name="f"),))
    written = Message("user", (DOCUMENT, File(filename="b.txt", text="plain"), File(url="https://x/y.pdf")))
    sent = lighter([drawn, written], tokens=0, size=0, weigh=weigh)
    assert sent == (
        Message("tool", (ToolResult("c1", (Text("see"), Text("[image]")), name="f"),)),
        Message(
            "user",
            (Text("[file a.pdf]"), File(filename="b.txt", text="plain"), Text("[file https://x/y.pdf]")),
        ),
    )


def test_once_there_is_no_room_nothing_older_has_any() -> None:
    small, big = Message("user", (Image(data="x"),)), Message("user", (Image(data="x" * 100),))
    sent = lighter([small, big, small], tokens=100, size=50, weigh=weigh)
    assert [isinstance(one.parts[0], Image) for one in sent] == [False, False, True]
