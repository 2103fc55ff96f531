"""A streamed answer put together."""

import pytest

from models.chat import (
    Chunk,
    Citation,
    CitationDelta,
    Finished,
    Image,
    Native,
    Opaque,
    OpaqueDelta,
    Part,
    Refusal,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from models.providers.assembly import Assembly

SIGNED = Opaque("anthropic", "signature", "sig")
OWN = Opaque("anthropic", "block", '{"type":"server_tool_use"}')
DRAWN = Opaque("google", "block", '{"inlineData":{"mimeType":"image/png","data":"aGk="}}')
CASES: list[tuple[str, list[Chunk], list[Part]]] = [
    ("text", [Started("i", "m"), TextDelta("a"), TextDelta("b"), Finished("stop", Usage())], [Text("ab")]),
    ("two texts", [TextDelta("a"), TextDelta(""), TextDelta("b")], [Text("a"), Text("b")]),
    (
        "thoughts apart by their signatures",
        [ThinkingDelta("a"), OpaqueDelta(SIGNED), ThinkingDelta("b"), TextDelta("c")],
        [Thinking("a", (SIGNED,)), Thinking("b"), Text("c")],
    ),
    (
        "calls that come mixed",
        [
            ToolCallStarted(0, "c1", "f"),
            ToolCallStarted(1, "c2", "g", "{"),
            ToolCallDelta(0, "{}"),
            ToolCallDelta(1, "}"),
        ],
        [ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}")],
    ),
    (
        "a citation after a call is the text's",
        [TextDelta("a"), ToolCallStarted(0, "c", "f", "{}"), CitationDelta(Citation("x"))],
        [Text("a", (Citation("x"),)), ToolCall("c", "f", "{}")],
    ),
    ("a refusal", [TextDelta("a"), RefusalDelta("no"), RefusalDelta("pe")], [Text("a"), Refusal("nope")]),
    ("a block", [TextDelta("a"), OpaqueDelta(OWN), TextDelta("b")], [Text("a"), Native(OWN), Text("b")]),
    ("a picture", [OpaqueDelta(DRAWN)], [Image("image/png", "aGk=")]),
]


@pytest.mark.parametrize(("chunks", "parts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_parts(chunks: list[Chunk], parts: list[Part]) -> None:
    assembly = Assembly()
    assembly.add(chunks)
    assert assembly.parts == tuple(parts)
