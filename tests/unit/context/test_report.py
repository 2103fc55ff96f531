"""What a report says of a conversation, and the score of what is sent instead of it."""

import json

import pytest

from models.context import Prepared
from models.context.score import preservation
from tests.unit.context.samples import said, small_talk, tool_exchange, with_statements

FACTS = (
    "My name is Ines and I live in Porto.",
    "Never book before 9:30 am.",
    "Let's go with the blue tiles.",
)


def test_all_of_a_conversation_scores_one() -> None:
    prepared = Prepared(with_statements(1, *FACTS))
    made = prepared.fit(prepared.reading.tokens)
    report = prepared.report(made, budget_tokens=prepared.reading.tokens)
    assert report.preservation.score == report.preservation.facts == report.preservation.constraints == 1.0
    assert report.dropped == ()
    assert report.turns_whole == report.turns
    assert prepared.preservation(made.texts) == report.preservation


def test_the_score_falls_as_less_is_sent() -> None:
    prepared = Prepared(with_statements(1, *FACTS))
    budgets = [prepared.reading.tokens * share // 100 for share in (5, 10, 25, 50, 75, 100)]
    scores = [preservation(prepared.reading, prepared.fit(budget).shown).score for budget in budgets]
    assert scores == sorted(scores)
    assert 0 < scores[0] < 0.5


def test_the_score_of_texts_is_that_of_what_stands_in_them() -> None:
    prepared = Prepared(with_statements(1, *FACTS))
    told = prepared.preservation(["They said:   My name is Ines and I live in Porto. Nothing else."])
    assert told.facts == pytest.approx(1 / 2)
    assert told.constraints == 0
    assert prepared.preservation([]).score == 0


def test_nothing_to_keep_is_kept() -> None:
    assert Prepared([]).preservation([]).score == 1.0


def test_an_outdated_value_alone_is_told() -> None:
    prepared = Prepared(with_statements(1, "My budget is $500.", "My budget is $700 now."))
    assert prepared.preservation(["My budget is $500."]).stale == 1
    assert prepared.preservation(["My budget is $500.", "My budget is $700 now."]).stale == 0


def test_a_report_says_what_was_left_out_and_why() -> None:
    rows = json.dumps([{"id": n, "name": f"part {n}", "stock": n * 7} for n in range(300)])
    turns = [
        said("system", "Be brief."),
        *with_statements(1, "My budget is $500.", "My budget is $700 now."),
        *tool_exchange("c1", "list_parts", "{}", rows),
        said("assistant", "There are 300 parts."),
        *small_talk(2, exchanges=5),
    ]
    prepared = Prepared(turns)
    made = prepared.fit(600, "How much stock of part 77?")
    report = prepared.report(made, budget_tokens=600)
    assert report.tokens_before == prepared.reading.tokens
    assert report.tokens_after == sum(report.blocks.values()) == made.tokens <= 600
    assert set(report.blocks) == {"instructions", "summary", "recent", "retrieved"}
    reasons = {dropped.reason: dropped for dropped in report.dropped}
    assert {"budget", "tool_output_reduced"} <= set(reasons)
    reduced = reasons["tool_output_reduced"]
    assert turns[reduced.first]["role"] == "tool"
    assert 200 < reduced.units < 300
    assert sum(dropped.tokens for dropped in report.dropped) < report.tokens_before
    assert report.facts == 1


def test_instructions_that_do_not_fit_are_told() -> None:
    turns = [said("system", "Be kind. " * 200), *small_talk(1)]
    prepared = Prepared(turns)
    report = prepared.report(prepared.fit(200), budget_tokens=200)
    assert report.warnings == ("the instructions did not fit as they are",)
