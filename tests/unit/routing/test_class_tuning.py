"""The encoder's layers in torch, what tuning changes of them, and heads fitted over an encoder as it is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.routing.artefact import BUNDLED, ENCODER, read_artefact, read_signed
from models.routing.classifier import TaskClassifier
from models.routing.features import HEAD_CHARS, TAIL_CHARS
from models.routing.sentences import EMBEDDED, MAX_TOKENS, Vectors, load_sentences, tokens_by
from models.routing.task import TASKS, Task
from models.routing.training import heads_only, new_key
from models.routing.training.encoders import Encoders
from models.routing.training.graph import Weights, exact_graph, frozen_weights, tokenizer_bytes
from models.routing.training.material import Material, material
from models.routing.training.noise import noise
from models.routing.training.prompts import Prompt, sample_prompts
from models.routing.training.tuning import Recipe, frozen_states, vectors_of

QUICK = Recipe(frozen=5, epochs=4.0, rows=6, rate=1e-3, threads=1)
_CODE = (
    "Write a {} parser in Go",
    "Fix this {} function: def f(x): retrun x",
    "unit tests for the {} module",
)
_VERSE = ("Write a poem about {}", "a limerick on {} please", "four rhyming lines about {}")
_FORMS: dict[Task, Sequence[str]] = {"code": _CODE, "writing": _VERSE}
_TOPICS = ("rivers", "chess", "bread", "clouds", "trains", "lamps")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return frozen_weights()


@pytest.fixture(scope="module")
def known() -> Material:
    return material(
        [
            Prompt(text=form.format(topic), task=task, source="made", lang="en")
            for task, forms in _FORMS.items()
            for form in forms
            for topic in _TOPICS
        ]
    )


def test_the_layers_give_what_the_graph_gives(weights: Weights) -> None:
    texts = ["good morning", "sum up this report: " + "the river rose again. " * 40]
    tokens = tokens_by(tokenizer_bytes())
    made = vectors_of(weights, frozen_states(weights, [tokens(text) for text in texts], QUICK), QUICK)
    exact = load_sentences(exact_graph(weights), tokenizer_bytes())(texts)
    assert (made * exact).sum(axis=1) == pytest.approx(1.0, abs=2e-3)


def test_a_long_text_is_its_head_and_its_tail() -> None:
    tokens = tokens_by(tokenizer_bytes())
    head, tail = "summarise this now " * 20, " in two short lines" * 20
    one, other = (
        tokens(head[:HEAD_CHARS] + middle * 50 + tail[-TAIL_CHARS:]) for middle in (" poem", " code")
    )
    assert one == other
    assert len(one) <= MAX_TOKENS
    assert len(tokens("漢" * 5_000)) <= MAX_TOKENS


def test_tuning_changes_upper_layers_only_and_draws_tasks_apart(known: Material, weights: Weights) -> None:
    encoders = Encoders(known, QUICK)
    tuned = encoders.tuned(np.ones(len(known.labels), bool))
    changed = {name for name in tuned if not np.array_equal(tuned[name], weights[name])}
    assert changed
    assert all(name.startswith("encoder.layer.5.") for name in changed)
    assert _apart(encoders.vectors(tuned), known) > _apart(encoders.vectors(weights), known) + 0.1


def _apart(vectors: Vectors, known: Material) -> float:
    """How much more alike two prompts of one task are than two of different ones."""
    alike = vectors @ vectors.T
    same = known.labels[:, None] == known.labels[None]
    return float(alike[same].mean() - alike[~same].mean())


def test_what_an_encoder_made_of_the_prompts_is_there_the_next_time(known: Material, tmp_path: Path) -> None:
    held_out = known.labels == TASKS.index("code")
    made = Encoders(known, QUICK, kept=tmp_path).vectors_without(held_out)
    [file] = tmp_path.iterdir()
    np.save(file, made + 1, allow_pickle=False)
    assert Encoders(known, QUICK, kept=tmp_path).vectors_without(held_out) == pytest.approx(made + 1)


def _letters(texts: Sequence[str]) -> Vectors:
    made = np.zeros((len(texts), EMBEDDED), np.float32)
    for row, text in enumerate(texts):
        for letter in text[:200].encode("utf-8", "replace"):
            made[row, letter] += 0.02
    return made


def test_heads_alone_make_an_artefact_that_serves_once_it_is_trusted(tmp_path: Path) -> None:
    base = read_artefact(BUNDLED)
    asks: dict[Task, str] = {
        "code": "Write a Python function for case",
        "writing": "Write a poem about lamp",
        "math_reasoning": "What is 17 % of",
        "translation": "Translate into French: this is",
    }
    theirs = [
        Prompt(text=f"{ask} number {n}", task=task, source=source)
        for source, times in (("log/may", 6), ("log2", 8))
        for task, ask in asks.items()
        for n in range(times)
    ]
    known = material([*theirs, *sample_prompts()[::4], *noise()[::20]], _letters)
    key, keys = tmp_path / "key.pem", tmp_path / "keys"
    new_key(key, keys / "own.pem")
    manifest = heads_only(known, tmp_path / "out", base=base, version="may", key=key)
    made = read_signed(tmp_path / "out", trusted=[keys])
    assert made.manifest == manifest
    assert made.encoder == base.encoder
    assert manifest.sha256[ENCODER] == base.manifest.sha256[ENCODER]
    assert manifest.trained.sources["log/may"] == 24
    assert manifest.trained.sources.keys() > base.manifest.trained.sources.keys()
    assert manifest.metrics["cascade_accuracy"] > 0.5
    [prediction] = TaskClassifier(made).classify(["Write a poem about the sea"])
    assert prediction.task == "writing"


def test_a_private_key_is_not_written_over_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    private = tmp_path / "key.pem"
    new_key(private, tmp_path / "public.pem")
    assert private.stat().st_mode & 0o077 == 0
    before = private.read_bytes()
    with pytest.raises(FileExistsError):
        new_key(private, tmp_path / "public.pem")
    assert private.read_bytes() == before
