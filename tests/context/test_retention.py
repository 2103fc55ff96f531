"""What a conversation is asked about afterwards is still in what is sent of it."""

import pytest

from models.context import Prepared, compress
from models.context.tokens import MESSAGE_OVERHEAD, four_characters
from tests.context.conversations import Sample, samples

SAMPLES = samples()
ASKED = [(0.5, 0.95), (0.25, 0.9), (0.15, 0.8)]
"""The share of the tokens that is sent, and of the questions that can then be answered."""
UNASKED = [(0.5, 0.85), (0.25, 0.5)]


def size(texts: list[str]) -> int:
    return sum(four_characters(text) + MESSAGE_OVERHEAD for text in texts)


@pytest.mark.parametrize(("share", "goal"), ASKED)
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_answer_to_a_question_is_sent(sample: Sample, share: float, goal: float) -> None:
    prepared = Prepared(sample.turns, count=four_characters)
    budget = int(prepared.reading.tokens * share)
    missed = []
    for question, answer in sample.probes:
        texts = prepared.fit(budget, question).texts
        assert size(texts) <= budget
        if not any(answer in text for text in texts):
            missed.append(question)
    assert len(missed) <= (1 - goal) * len(sample.probes), missed


@pytest.mark.parametrize(("share", "goal"), UNASKED)
def test_a_summary_holds_what_may_be_asked(share: float, goal: float) -> None:
    kept = asked = 0
    for sample in SAMPLES.values():
        prepared = Prepared(sample.turns, count=four_characters)
        texts = prepared.fit(int(prepared.reading.tokens * share)).texts
        kept += sum(any(answer in text for text in texts) for _, answer in sample.probes)
        asked += len(sample.probes)
    assert kept >= goal * asked


@pytest.mark.parametrize("share", [0.15, 0.3, 0.5, 0.75])
def test_the_score_promises_no_more_than_is_kept(share: float) -> None:
    kept = promised = asked = 0.0
    for sample in SAMPLES.values():
        prepared = Prepared(sample.turns, count=four_characters)
        made = prepared.fit(int(prepared.reading.tokens * share))
        kept += sum(any(answer in text for text in made.texts) for _, answer in sample.probes)
        promised += prepared.preservation(made.texts).score * len(sample.probes)
        asked += len(sample.probes)
    assert kept / asked >= promised / asked - 0.1


def test_what_a_question_finds_in_a_transcript_says_who_said_it() -> None:
    texts = compress(SAMPLES["transcript"].turns, 150, "When does the water company read the meter?")
    assert "Tom Bright: The water company comes on the fourteenth to read the meter." in "\n".join(texts)
    texts = compress(SAMPLES["transcript"].turns, 150, "How much money is in the funds?")
    assert "Ada Voss: Funds stand at 2,310 pounds" in "\n".join(texts)
