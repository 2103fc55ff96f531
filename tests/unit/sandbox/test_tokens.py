"""Four bytes are a token, whatever the alphabet, and pieces add up to the text."""

import pytest

from deployments.sandbox import tokens

TEXTS = ["", "a", "abcd", "abcde", "Grüße aus Köln", "你好，世界", "👩‍🚀 went to 🌍", "x" * 999]


@pytest.mark.parametrize(
    ("text", "n"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ü", 1), ("üüü", 2), ("🌍", 1)]
)
def test_count(text: str, n: int) -> None:
    assert tokens.count(text) == n


def test_an_input_is_counted_as_one_text_plus_its_media() -> None:
    assert tokens.count_input(["ab", "c", "d"]) == 1
    assert tokens.count_input(["ab"], media=2) == 1 + 2 * tokens.MEDIA_TOKENS


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_add_up_and_are_no_more_than_the_tokens(text: str) -> None:
    pieces = tokens.pieces(text)
    assert "".join(pieces) == text
    assert len(list(pieces)) == len(pieces) <= tokens.count(text)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_cut_never_exceeds_and_fill_is_exact(text: str, n: int) -> None:
    assert text.startswith(tokens.cut(text, n))
    assert tokens.count(tokens.cut(text, n)) <= n
    assert tokens.count(tokens.fill(text, n)) == n
