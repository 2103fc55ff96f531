"""What becomes of parts at another provider: a table of parts, and of who can do what."""

import pytest
from msgspec.structs import replace

from models.catalog import load_catalog
from models.chat import (
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from models.context import PartsKept, parts_kept

GPT = load_catalog().models["gpt-5.4-mini"]
BLIND = replace(GPT, capabilities=frozenset())
OPENAI, ANTHROPIC = Opaque("openai", "reasoning", "x"), Opaque("anthropic", "signature", "x")


@pytest.mark.parametrize(
    ("part", "fate", "blind"),
    [
        (Text("hi"), "kept", "kept"),
        (Text("hi", opaque=(ANTHROPIC,)), "kept", "kept"),
        (ToolCall("c", "f", "{}"), "kept", "kept"),
        (ToolCall("c", "f", "{}", (ANTHROPIC,)), "kept", "kept"),
        (Thinking("hm"), "private", "private"),
        (Thinking("hm", (ANTHROPIC,)), "private", "private"),
        (Thinking("hm", (OPENAI,)), "kept", "kept"),
        (Thinking("hm", (ANTHROPIC, OPENAI)), "kept", "kept"),
        (Native(OPENAI), "kept", "kept"),
        (Native(ANTHROPIC), "private", "private"),
        (Native(ANTHROPIC, (Text("searched"),)), "converted", "converted"),
        (Image(data="x"), "kept", "converted"),
        (Image(file_id="f", file_provider="openai"), "kept", "converted"),
        (Image(file_id="f", file_provider="anthropic"), "converted", "converted"),
        (File(filename="a.txt", text="plain"), "kept", "kept"),
        (File(media_type="application/pdf", data="x"), "kept", "converted"),
        (File(media_type="audio/wav", data="x"), "converted", "converted"),
        (File(media_type="video/mp4", data="x"), "converted", "converted"),
        (File(media_type="application/pdf", file_id="f", file_provider="google"), "converted", "converted"),
        (Refusal("no"), "kept", "kept"),
    ],
)
def test_each_part_has_one_fate(part: Part, fate: str, blind: str) -> None:
    messages = [Message("assistant", (part,))]
    assert parts_kept(messages, GPT, protocol="openai") == PartsKept(**{fate: 1})
    assert parts_kept(messages, BLIND, protocol="openai") == PartsKept(**{blind: 1})


def test_a_refusal_is_told_in_words_elsewhere() -> None:
    messages = [Message("assistant", (Refusal("no"),))]
    assert parts_kept(messages, GPT, protocol="anthropic") == PartsKept(converted=1)


def test_what_is_in_a_tools_answer_counts_too() -> None:
    answer = ToolResult("c", (Text("see"), Image(data="x"), Native(ANTHROPIC)))
    kept = parts_kept([Message("tool", (answer,))], BLIND, protocol="openai")
    assert kept == PartsKept(kept=2, converted=1, private=1)


@pytest.mark.parametrize(
    ("kept", "share"),
    [
        (PartsKept(), 1.0),
        (PartsKept(private=3), 1.0),
        (PartsKept(kept=2, converted=1, private=9), 1.0),
        (PartsKept(kept=2, converted=1, dropped=1), 0.75),
        (PartsKept(dropped=1), 0.0),
    ],
)
def test_the_share_is_of_what_anybody_can_read(kept: PartsKept, share: float) -> None:
    assert kept.share == share
