"""What the notebooks show: reports of a classifier, curves of routers, and traffic that is made up."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.routing.classifier import classify
from models.routing.evaluation import snips
from models.routing.task import TASKS, Task, TaskPrediction
from models.routing.training.outcomes import (
    Outcomes,
    known_tasks,
    lines,
    made_up_outcomes,
    read_outcomes,
    told_tasks,
)
from models.routing.training.prompts import Prompt
from models.routing.training.report import at_random, commonest, gain, report, right
from models.routing.training.traffic import best_by_task, for_evaluation, made_up_traffic

TEXTS = ("Translate to German: good morning.", "Prove that 7 is prime.", "Write a poem about rain.")
LABELS: tuple[Task, ...] = ("translation", "math_reasoning", "writing")


def _prompt(task: Task | None, *alt: Task) -> Prompt:
    return Prompt(text="…", task=task, alt=alt, source="s")


def _told(task: Task, confidence: float, *, abstained: bool = False) -> TaskPrediction:
    return TaskPrediction(task=task, confidence=confidence, abstained=abstained)


PROMPTS = [
    _prompt("code"),
    _prompt("code"),
    _prompt("writing", "rewrite_edit"),
    _prompt("analysis"),
    _prompt(None),
]
TOLD = [
    _told("code", 0.95),
    _told("writing", 0.55),
    _told("rewrite_edit", 0.9),
    _told("code", 0.35, abstained=True),
    _told("code", 0.3),
]


def test_a_report_counts_requests_and_second_answers() -> None:
    found = report(PROMPTS, TOLD)
    assert right(PROMPTS, TOLD).tolist() == [True, False, True, False]
    assert found.accuracy.value == 0.5
    assert found.accuracy.effective == 4
    assert found.abstained == 0.25
    by_task = {line.task: line for line in found.by_task}
    assert set(by_task) == {"code", "writing", "analysis"}
    assert (by_task["code"].precision, by_task["code"].recall) == (0.5, 0.5)
    assert by_task["code"].confused_with == "writing"
    assert found.confusion.sum() == 4
    assert [(b.number, b.right) for b in found.bins] == [(1, 0.0), (1, 0.0), (2, 1.0)]
    assert found.coverage[-1] == (1.0, 0.5)
    assert found.coverage[8][1] == 1.0  # the surer half


def test_without_a_request_there_is_no_report() -> None:
    with pytest.raises(ValueError, match="no request"):
        report([_prompt(None)], [_told("code", 0.5)])


def test_a_gain_is_of_pairs() -> None:
    one, other = np.array([True] * 60 + [False] * 40), np.array([True] * 40 + [False] * 60)
    found = gain(one, other)
    assert found.value == pytest.approx(0.2)
    assert 0.1 < found.low < 0.2 < found.high < 0.3


def test_baselines_say_what_takes_no_model() -> None:
    prompts = [_prompt(task) for task in TASKS] * 3
    assert report(prompts, at_random(prompts)).accuracy.value == 1.0  # tasks in turn, as they are here
    told = commonest(prompts, [_prompt("code"), _prompt("code"), _prompt("writing")])
    assert {one.task for one in told} == {"code"}
    assert told[0].confidence == pytest.approx(2 / 3)


def _specialists() -> Outcomes:
    """The cheap model is good at writing, the dear one at all; every second prompt is for the test."""
    tasks = ("writing", "code") * 200
    scores = np.array([[1.0, 1.0] if task == "writing" else [0.0, 1.0] for task in tasks])
    return Outcomes(
        models=("cheap", "dear"),
        texts=tuple("a" if task == "writing" else "a longer one" for task in tasks),
        tasks=tasks,
        scores=scores,
        costs=np.tile([1.0, 10.0], (400, 1)),
        log=np.arange(400) < 200,
    )


def test_who_knows_the_task_pays_for_the_dear_model_where_it_is_needed() -> None:
    outcomes = _specialists()
    blind = np.full((400, len(TASKS)), 1 / len(TASKS))
    found = {
        line.router.partition(":")[0]: line
        for line in lines(outcomes, {"knows": known_tasks(outcomes.tasks), "blind": blind})
    }
    assert set(found) == {"random", "naive", "knows", "blind", "oracle"}
    assert found["random"].apgr == pytest.approx(0.5, abs=0.01)
    assert found["knows"].cost_at_100 == pytest.approx(0.55)
    assert found["oracle"].cost_at_100 == found["naive"].cost_at_100 == pytest.approx(0.55)
    assert found["blind"].cost_at_100 == 1.0
    assert found["knows"].aiq > found["random"].aiq


def test_what_a_classifier_says_is_in_the_order_of_the_labels() -> None:
    told = told_tasks([_told("writing", 1.0)])
    assert (told == known_tasks(["writing"])).all()


def test_outcomes_are_read_and_split_by_their_id(tmp_path: Path) -> None:
    file = tmp_path / "outcomes.jsonl"
    models = {"a": {"score": 1, "cost": 0.1}, "b": {"score": 0.5, "cost": 0.2}}
    rows = [{"id": f"r{n}", "text": "t", "task": "code", "models": models} for n in range(300)]
    file.write_text("\n".join(map(json.dumps, rows)))
    found = read_outcomes(file)
    assert found.models == ("a", "b")
    assert (found.scores[0].tolist(), found.costs[0].tolist()) == ([1.0, 0.5], [0.1, 0.2])
    assert 0.5 < found.log.mean() < 0.7
    assert len(found.part(log=True).texts) + len(found.part(log=False).texts) == 300


def test_what_is_made_up_is_the_same_for_the_same_seed() -> None:
    one, same, other = (made_up_outcomes(TEXTS, LABELS, number=50, seed=seed) for seed in (1, 1, 2))
    assert (one.scores == same.scores).all()
    assert (one.costs == same.costs).all()
    assert not (one.scores == other.scores).all()


def test_made_up_traffic_can_be_judged_off_policy() -> None:
    rows = made_up_traffic(TEXTS, classify(TEXTS), number=400, seed=3)
    assert rows == made_up_traffic(TEXTS, classify(TEXTS), number=400, seed=3)
    logged = for_evaluation(rows)
    assert 60 < len(logged) < 200
    estimate = snips(logged)
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1.1
    assert set(best_by_task(rows)) <= {row.task for row in rows}
