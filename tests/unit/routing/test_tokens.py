"""The guess at input tokens: rather too high than too low, for every kind of part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from models.routing import estimate_input_tokens
from models.routing.tokens import text_tokens


def _request(*parts: Part, **fields: object) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", parts),), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "at_least", "at_most"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog.", 10, 20),
        ("def f(x): return {k: v for k, v in x.items()}", 14, 24),
        ("敏捷的棕色狐狸跳过了懒狗", 10, 24),
        ("Быстрая коричневая лиса", 6, 24),
        ("👩‍👩‍👧‍👦", 5, 24),
        ("\ud800", 1, 3),
    ],
)
def test_text_of_many_scripts(text: str, at_least: int, at_most: int) -> None:
    assert at_least <= text_tokens(text) <= at_most


@pytest.mark.parametrize(
    "part",
    [
        Text("x" * 300),
        Refusal("x" * 300),
        Image(data="x"),
        Image(data="x", detail="low"),
        File(text="x" * 300),
        File(data="x" * 400),
        File(url="https://a.test/b.pdf"),
        ToolCall("i", "n", "x" * 300),
        ToolResult("i", (Text("x" * 300),)),
        Thinking(opaque=(Opaque("anthropic", "signature", "x" * 400),)),
    ],
)
def test_every_kind_of_part_counts(part: Part) -> None:
    assert estimate_input_tokens(_request(part)) >= estimate_input_tokens(_request()) + 100


def test_tools_and_schemas_count() -> None:
    schema = {"type": "object", "properties": {f"field_{n}": {"type": "string"} for n in range(20)}}
    bare = estimate_input_tokens(_request())
    assert estimate_input_tokens(_request(tools=(Tool("t", "d", schema),))) > bare + 200
    assert (
        estimate_input_tokens(_request(response_format=ResponseFormat("json_schema", schema=schema)))
        > bare + 200
    )


@given(st.lists(st.text(), max_size=5), st.text())
def test_more_text_is_never_fewer_tokens(texts: list[str], more: str) -> None:
    shorter = _request(*map(Text, texts))
    longer = _request(*map(Text, texts), Text(more))
    assert estimate_input_tokens(longer) >= estimate_input_tokens(shorter)
