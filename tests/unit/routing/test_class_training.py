"""What training makes, from the project's own prompts and with an encoder that costs nothing."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models.routing.heads import Heads, Scores, calibrated, log_softmax
from models.routing.sentences import EMBEDDED, Vectors
from models.routing.task import TASKS
from models.routing.training.crossing import calibrated_across, crossed, sharpness
from models.routing.training.fitting import fitted, predicted
from models.routing.training.forms import made_prompts
from models.routing.training.material import NONE, Material, material
from models.routing.training.measures import expected_calibration_error, measured
from models.routing.training.noise import noise
from models.routing.training.prompts import Prompt, read_prompts, sample_prompts


def _hashed_words(texts: Sequence[str]) -> Vectors:
    made = np.zeros((len(texts), EMBEDDED), np.float32)
    for row, text in enumerate(texts):
        for word in text.encode("utf-8", "replace").lower().split():
            made[row, zlib.crc32(word) % EMBEDDED] += 0.1
    return made


@pytest.fixture(scope="module")
def known() -> Material:
    return material([*sample_prompts(), *noise()[::4], *made_prompts()[::6]], _hashed_words)


def test_the_sample_has_every_task_in_several_languages() -> None:
    prompts = [prompt for prompt in sample_prompts() if prompt.task is not None]
    assert len(prompts) == len({prompt.text for prompt in prompts}) >= 200
    for task in TASKS:
        assert len({prompt.lang for prompt in prompts if prompt.task == task}) >= 5, task


@pytest.mark.parametrize("group", ["judging", "people", "weighing", "pasted"])
def test_what_is_pasted_for_analysis_is_pasted_for_other_tasks_too(group: str) -> None:
    tasks = [prompt.task for prompt in sample_prompts() if prompt.group == group]
    assert tasks.count("analysis") >= len(tasks) / 3
    assert len({*tasks} - {"analysis"}) >= 6


def test_what_serves_says_the_same_as_what_was_fitted(known: Material) -> None:
    every = np.ones(len(known.labels), bool)
    arrays = fitted(known, every)
    first, second = predicted(known, every, arrays)
    heads = Heads(arrays)
    for row in np.flatnonzero(known.readable)[[0, 57, 200, -1]].tolist():
        assert heads.first(known.seen[row])[0] == pytest.approx(first[row], abs=1e-3)
        made = heads.second([known.seen[row]], known.vectors[row][None])
        assert made[0] == pytest.approx(second[row], abs=1e-3)


def test_where_there_is_nothing_but_the_own_prompts_these_are_held_out(known: Material) -> None:
    held_out = crossed(known)
    assert held_out.rows.all()
    scores = calibrated_across(held_out.first, known.labels, known.families)
    figures = measured(scores, known.prompts, "first")
    assert figures["first_accuracy"] > 0.5


def test_only_others_are_held_out_where_there_are_any() -> None:
    other = [Prompt(text=f"write a poem about {n}", task="writing", source="other/a") for n in range(4)]
    held_out = crossed(material([*other, *sample_prompts()], _hashed_words))
    assert int(held_out.rows.sum()) == 4 + sum(p.task is None for p in sample_prompts())
    assert held_out.first[: len(other), TASKS.index("writing")] == pytest.approx(
        held_out.first[: len(other)].max(axis=1)
    )


def test_a_class_without_rows_is_next_to_impossible() -> None:
    prompts = [prompt for prompt in sample_prompts() if prompt.task in {"code", "writing"}]
    made = material(prompts, _hashed_words)
    every = np.ones(len(prompts), bool)
    first, _ = predicted(made, every, fitted(made, every))
    assert set(first.argmax(axis=1)) <= {TASKS.index("code"), TASKS.index("writing")}
    assert float(np.exp(first[:, NONE]).max()) < 1e-6


@pytest.mark.parametrize(
    ("license", "may"), [("MIT", True), ("", True), ("CC-BY-NC-4.0 (data)", False), ("NonCommercial", False)]
)
def test_rows_with_a_non_commercial_licence_are_not_for_what_is_given_away(license: str, may: bool) -> None:
    assert Prompt(text="x", task="code", source="a", license=license).may_ship is may


def test_a_row_that_is_no_labelled_prompt_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text('{"text": "hi", "task": "chess", "source": "a"}')
    with pytest.raises(msgspec.ValidationError, match="task"):
        read_prompts([file])


def test_calibration_error_is_the_distance_of_confidence_from_success() -> None:
    confidence = np.asarray([0.9] * 10)
    assert expected_calibration_error(confidence, np.asarray([True] * 9 + [False])) == pytest.approx(0.0)
    assert expected_calibration_error(confidence, np.asarray([True] * 5 + [False] * 5)) == pytest.approx(0.4)


def _drawn(count: int, factor: float) -> tuple[Scores, NDArray[np.int64]]:
    """Scores that are `factor` times as far apart as the labels drawn bear out; the first class is rare."""
    rng = np.random.default_rng(0)
    true = log_softmax(rng.normal(size=(count, NONE + 1)) - 2 * (np.arange(NONE + 1) == 0))
    draws = np.cumsum(np.exp(true), axis=1) > rng.random((count, 1))
    return log_softmax(factor * true), draws.argmax(axis=1)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_scores_that_are_too_sure_are_made_less_so_by_one_factor(factor: float) -> None:
    scores, labels = _drawn(4_000, factor)
    found = sharpness(scores, labels)
    assert found[: NONE + 1] == pytest.approx(1 / factor, rel=0.12)
    told = np.exp(calibrated(scores, found))
    right = told.argmax(axis=1) == labels
    assert expected_calibration_error(told.max(axis=1).astype(np.float64), right) < 0.03


def test_how_common_a_task_is_moves_its_scores_by_less_than_it_would_here() -> None:
    scores, labels = _drawn(4_000, 1.0)
    often = np.concatenate([np.arange(len(labels)), np.repeat(np.flatnonzero(labels == 1), 4)])
    summands = sharpness(scores[often], labels[often])[NONE + 1 :]
    assert 0 < summands[1] < 0.75 * np.log(5)
    assert summands.argmax() == 1
