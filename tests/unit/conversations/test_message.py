"""What of a message can be searched for, what names a conversation, and what one vector is made of."""

import pytest

from models.chat import File, Message, Text, Thinking, ToolResult
from models.conversations import searchable
from models.conversations.message import MAX_TEXT_BYTES, title_of
from models.conversations.pieces import MAX_PIECES, PIECE_CHARS, pieces


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def test_only_the_beginning_of_a_long_message_is_searched_and_no_character_is_cut() -> None:
    text = searchable(user("é" * MAX_TEXT_BYTES))
    assert len(text.encode()) <= MAX_TEXT_BYTES
    assert set(text) == {"é"}


def test_what_a_database_cannot_hold_is_not_searched() -> None:
    assert searchable(user("a\0b")) == "a b"


def test_everything_said_is_searched() -> None:
    message = Message(
        "tool", (ToolResult("c", (Text("one"), File(filename="two.txt", text="three"))), ToolResult("d"))
    )
    assert searchable(message) == "one\ntwo.txt\nthree"


@pytest.mark.parametrize(
    ("messages", "title"),
    [
        ([], ""),
        ([Message("system", (Text("be brief"),)), user("hello\n\n there ")], "hello there"),
        ([user("   "), user("second")], "second"),
        ([user("\u202e\x07 odd \u2028 signs")], "odd signs"),
        ([Message("assistant", (Thinking("hm"),)), Message("user", ())], ""),
        ([user("x" * 200)], "x" * 79 + "…"),
    ],
)
def test_a_title_is_what_the_user_said_first(messages: list[Message], title: str) -> None:
    assert title_of(messages) == title


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("", []),
        (" \n ", []),
        ("short", [5]),
        ("x" * (PIECE_CHARS + 1), [PIECE_CHARS, 1]),
        ("a" * 700 + ". " + "b" * 700, [701, 700]),
        ("a" * 200 + "\n\n" + "b" * 900, [PIECE_CHARS, 102]),
        ("a" * 600 + ". c\n\n" + "b" * 900, [603, 900]),
        ("x" * PIECE_CHARS * (MAX_PIECES + 5), [PIECE_CHARS] * MAX_PIECES),
    ],
    ids=["nothing", "blank", "short", "no ends", "a sentence", "too early", "a paragraph", "very long"],
)
def test_a_text_is_cut_where_it_ends_best(text: str, lengths: list[int]) -> None:
    assert [len(piece) for piece in pieces(text)] == lengths
