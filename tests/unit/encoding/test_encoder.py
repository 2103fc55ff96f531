"""Sentences become the vectors that sentence-transformers gives for them."""

import numpy as np
import pytest

from models.encoding import DIMENSIONS, Encoder, WordHashEncoder
from models.encoding.agreement import agree
from models.encoding.encoder import MAX_CHARS
from models.errors import Internal

PARAGRAPH = (
    "The ferry leaves at seven. Whoever misses it takes the road around the bay, which is forty kilometres "
    "longer and, after rain, not always open. "
)
TEXTS = {
    "short": "Where is my parcel?",
    "one letter": "a",
    "empty": "",
    "blank": " \n\t ",
    "marks only": "... !? —",
    "code": "def area(r: float) -> float:\n    return math.pi * r ** 2",
    "numbers": "Invoice 2026-0117: 3 × 19.99 EUR = 59.97 EUR, due on 31.12.",
    "accents": "Ça coûte trop cher, señor Müller.",
    "Cyrillic": "Какая погода завтра в Новосибирске?",
    "Chinese": "请把这份合同翻译成英文。",
    "Japanese": "明日の会議は何時からですか。",
    "Arabic": "متى يفتح المتحف أبوابه؟",
    "Hindi": "मुझे अपना पासवर्ड बदलना है।",
    "emoji": "Great 🎉👍🏽 see you on 🇵🇹",
    "unknown word": "x" * 150,
    "nearly the most tokens": PARAGRAPH * 8,
    "more than the most tokens": PARAGRAPH * 40,
    "a control character": "before\x00after",
}


def test_every_text_has_the_vector_of_sentence_transformers(encoder: Encoder, fallback: Encoder) -> None:
    assert type(encoder) is not type(fallback)
    texts = list(TEXTS.values())
    cosines = np.sum(encoder.encode(texts) * fallback.encode(texts), axis=1)
    assert {name: c for name, c in zip(TEXTS, cosines, strict=True) if c < 0.9999} == {}


def test_vectors_are_of_length_one_and_in_the_order_of_the_texts(encoder: Encoder) -> None:
    texts = list(TEXTS.values())
    together = encoder.encode(texts)
    assert together.shape == (len(texts), encoder.dimensions)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, [encoder.encode([text])[0] for text in texts], atol=1e-5)


def test_meaning_counts_more_than_words(encoder: Encoder) -> None:
    question, same, other = encoder.encode(
        ["How can I get my money back?", "I would like a refund.", "How can I get to the bank?"]
    )
    assert question @ same > question @ other


@pytest.mark.parametrize("kind", ["encoder", "fallback"])
def test_any_string_is_taken(kind: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(kind)
    assert encoder.encode([]).shape == (0, DIMENSIONS)
    vectors = encoder.encode(["half of a pair: \ud83d", "half of a pair: ?", "y " * 50_000, "y " * MAX_CHARS])
    assert np.array_equal(vectors[0], vectors[1])
    assert vectors[2] @ vectors[3] == pytest.approx(1)


def test_both_have_one_name_and_the_agreed_vectors(encoder: Encoder, fallback: Encoder) -> None:
    assert encoder.name == fallback.name == "all-MiniLM-L6-v2"
    agree(encoder)
    agree(fallback)


def test_an_encoder_of_other_vectors_does_not_agree() -> None:
    with pytest.raises(Internal, match="cosine"):
        agree(WordHashEncoder())
