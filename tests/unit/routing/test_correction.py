"""What logged outcomes tell of prompts like one, on outcomes whose truth is known."""

import numpy as np
import pytest

from models.routing.choose import choose
from models.routing.correction import Correction

KINDS, MODELS = 6, 3


def _log(seed: int, number: int) -> tuple[np.ndarray, list[str], np.ndarray, list[str], np.ndarray]:
    """Prompts of some kinds, each of which other models are good at."""
    truth = np.random.default_rng(0).uniform(0.2, 0.9, (KINDS, MODELS))
    means = np.random.default_rng(1).normal(size=(KINDS, 16))
    rng = np.random.default_rng(seed)
    kinds = rng.integers(KINDS, size=number)
    vectors = means[kinds] + rng.normal(scale=0.5, size=(number, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = rng.random((number, MODELS)) < truth[kinds]
    texts = ["a question" for _ in kinds]
    names = [f"app {kind}" for kind in kinds]
    return vectors.astype(np.float32), texts, scores.astype(np.float32), names, truth[kinds]


@pytest.mark.parametrize("grouped", [False, True])
def test_the_right_model_is_found_for_each_kind_of_prompt(grouped: bool) -> None:
    vectors, texts, scores, names, _ = _log(2, 2_000)
    learned = Correction(vectors, texts, scores, names if grouped else ())
    vectors, texts, _, _, truth = _log(3, 500)
    found = learned.predict(vectors, texts)
    rows = np.arange(500)
    gained = truth[rows, found.argmax(1)].mean()
    best_single, oracle = truth.mean(0).max(), truth.max(1).mean()
    assert gained - best_single >= 0.85 * (oracle - best_single)


def test_the_same_log_teaches_the_same() -> None:
    vectors, texts, scores, names, _ = _log(4, 300)
    one, other = (Correction(vectors, texts, scores, names).predict(vectors, texts) for _ in range(2))
    assert np.array_equal(one, other)


def test_few_outcomes_change_little() -> None:
    vectors, texts, scores, _, _ = _log(5, 4)
    found = Correction(vectors, texts, scores).predict(vectors, texts)
    assert np.abs(found - scores.mean(0)).max() < 0.25


def test_corrections_change_who_is_chosen() -> None:
    models = ["gpt-6-astra", "gpt-6-luna"]
    corrections = [{}, {"gpt-6-astra": -0.5}]
    assert choose(["a", "b"], models, "quality", corrections=corrections) == models
