"""How heavy messages are, whatever they are made of."""

import pytest

from models.chat import File, Image, Message, Native, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from models.context import counter, media_tokens, message_tokens
from models.context.tokens import MESSAGE_OVERHEAD
from models.context.weight import IMAGE_TOKENS, REMOTE_FILE_TOKENS


def letters(text: str) -> int:
    return len(text)


def opaque(provider: str, characters: int) -> Opaque:
    return Opaque(provider, "signature", "x" * characters)


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (Text("hello"), 0),
        (Image(data="x" * 10_000), IMAGE_TOKENS),
        (Image(url="https://x/y"), IMAGE_TOKENS),
        (File(text="plain"), 0),
        (File(media_type="application/pdf", data="x" * 2_000), 100),
        (File(media_type="application/pdf", data="x" * 9_000_000), 200_000),
        (File(media_type="application/pdf", url="https://x/y"), REMOTE_FILE_TOKENS),
        (File(media_type="application/pdf", file_id="f"), REMOTE_FILE_TOKENS),
        (ToolResult("c", (Text("see"), Image(data="x"), Image(data="y"))), 2 * IMAGE_TOKENS),
        (Native(opaque("openai", 30)), 30),
        (Thinking("x" * 50), 0),
        (ToolCall("c", "f", "{}"), 0),
    ],
)
def test_what_is_no_text_has_a_weight(part: Part, tokens: int) -> None:
    assert media_tokens([part], letters) == tokens


@pytest.mark.parametrize(
    ("thought", "reader", "tokens"),
    [
        (Thinking("x" * 50), "openai", 0),
        (Thinking("x" * 50, (opaque("openai", 10),)), "", 0),
        (Thinking("x" * 50, (opaque("openai", 10),)), "anthropic", 0),
        (Thinking("x" * 50, (opaque("openai", 10),)), "openai", 50),
        (Thinking("x" * 50, (opaque("openai", 500),)), "openai", 100),
        (Thinking("", (opaque("anthropic", 500), opaque("openai", 500))), "anthropic", 100),
    ],
)
def test_thoughts_weigh_at_home(thought: Thinking, reader: str, tokens: int) -> None:
    message = Message("assistant", (thought, Text("hello")))
    assert message_tokens(message, letters, reader=reader) == MESSAGE_OVERHEAD + 5 + tokens


def test_each_answer_of_a_tool_is_a_message_of_its_own() -> None:
    message = Message(
        "tool", (ToolResult("a", (Text("one"),)), ToolResult("b", (Text("two"), Image(url="u"))))
    )
    assert (
        message_tokens(message, letters)
        == 2 * MESSAGE_OVERHEAD + len("one" + "two\n[image u]") + IMAGE_TOKENS
    )


def test_an_empty_message_is_not_for_nothing() -> None:
    assert message_tokens(Message("assistant", ()), counter("claude")) == MESSAGE_OVERHEAD
