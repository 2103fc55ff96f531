"""What a first look sees, whatever language a prompt is in."""

import numpy as np
import pytest

from models.routing.cues import Cues, cues
from models.routing.difficulty import difficulty
from models.routing.features import (
    HASHED,
    HEAD_CHARS,
    TAIL_CHARS,
    dense_width,
    fingerprint,
    is_readable,
    look,
)
from models.routing.language import language_of


def _concepts(text: str) -> set[str]:
    found = cues().find(text.lower())
    return {cues().concepts[hit.concept] for hit in (*found.by_word, *found.by_glyph)}


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Translate this", "translate"),
        ("übersetze das bitte", "translate"),
        ("请翻译", "translate"),
        ("переведите текст", "translate"),
        ("ترجم هذا", "translate"),
        ("how do you say cheese in Dutch", "translate"),
        ("pros and cons of trams", "compare"),
        ("次の文章を要約して", "summarise"),
        ("c++ templates", "code"),
        ("cuéntame un cuento", "story"),
    ],
)
def test_a_concept_is_found_in_any_language(text: str, concept: str) -> None:
    assert concept in _concepts(text)


def test_a_word_stands_for_every_concept_that_lists_it() -> None:
    table = {"a": {"en": "note, sing*"}, "b": {"en": "note, note well", "zh": "注"}}
    found = Cues(table).find("note well: singing 注意")
    assert {hit.concept for hit in found.by_word} == {0, 1}
    assert [hit.concept for hit in found.by_glyph] == [1]


@pytest.mark.parametrize("text", ["", "\ud800", "a" * 100_000, "\n" * 50, "漢" * 5_000, "{[(" * 900])
def test_any_text_has_features_in_bounds(text: str) -> None:
    seen = look(text)
    assert seen.dense.shape == (dense_width(),)
    assert float(seen.dense.min()) >= 0.0
    assert float(seen.dense.max()) <= 1.0
    assert all(0 <= column < HASHED for column in seen.hashed)
    assert len(np.unique(seen.hashed)) == len(seen.hashed)


def test_texts_without_spaces_share_what_their_characters_share() -> None:
    one, alike, other = (
        set(look(text).hashed.tolist()) for text in ("请总结这篇文章", "请总结这份报告", "明天会下雨吗")
    )
    assert len(one & alike) >= 6
    assert len(one & other) <= 1


def test_what_the_encoder_cannot_read_is_told_by_its_letters() -> None:
    assert not is_readable(look("次の文章を要約して"))
    assert is_readable(look("Résume ce texte, s'il te plaît"))


def test_the_middle_of_a_long_text_is_not_looked_at() -> None:
    head, tail = "summarise this " * 20, " in two lines" * 20
    one, other = (look(head[:HEAD_CHARS] + middle * 40 + tail[-TAIL_CHARS:]) for middle in ("poem ", "code "))
    assert np.array_equal(one.dense, other.dense)
    assert np.array_equal(one.hashed, other.hashed)


def test_the_fingerprint_is_the_same_as_long_as_the_features_are() -> None:
    assert fingerprint() == fingerprint()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of Peru?", "en"),
        ("¿Cuál es la capital del Perú?", "es"),
        ("Quelle est la capitale du Pérou ?", "fr"),
        ("Was ist die Hauptstadt von Peru?", "de"),
        ("Qual é a capital do Peru?", "pt"),
        ("Qual è la capitale del Perù?", "it"),
        ("Wat is de hoofdstad van Peru?", "nl"),
        ("Jaka jest stolica Peru i co tam robić?", "pl"),
        ("Peru'nun başkenti nedir ve ne kadar büyük bir kent?", "tr"),
        ("Какая столица у Перу?", "ru"),
        ("秘鲁的首都是哪里？", "zh"),
        ("ペルーの首都はどこですか", "ja"),
        ("페루의 수도는 어디인가요", "ko"),
        ("ما هي عاصمة بيرو؟", "ar"),
        ("पेरू की राजधानी क्या है", "hi"),
        ("เมืองหลวงของเปรูคืออะไร", "th"),
        ("12345 !!!", "und"),
        ("", "und"),
    ],
)
def test_the_language_is_told_by_script_and_common_words(text: str, language: str) -> None:
    assert language_of(text) == language


def test_proofs_and_long_briefs_are_harder_than_greetings() -> None:
    hello = difficulty("hi!", "brainstorm_chat")
    sum_of_two = difficulty("what is 3 + 4", "math_reasoning")
    proof = difficulty(
        "Prove rigorously, step by step, that there are infinitely many primes.", "math_reasoning"
    )
    brief = difficulty("Design a distributed queue. It must:\n- lose nothing\n- scale\n" * 60, "code")
    assert hello < sum_of_two < proof < brief <= 1.0
