"""From prompts to an artefact."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.errors import Internal
from models.routing.artefact import Manifest, Trained
from models.routing.sentences import EMBEDDED, Encode, Vectors, load_sentences
from models.routing.training.crossing import crossed
from models.routing.training.encoders import Encoders
from models.routing.training.graph import int8_graph, tokenizer_bytes
from models.routing.training.material import Material, material
from models.routing.training.measures import measures_of
from models.routing.training.prompts import Prompt, read_prompts
from models.routing.training.retraining import own_prompts
from models.routing.training.tuning import Recipe
from models.routing.training.writing import fit_and_write, libraries

_LEAST_COSINE = 0.95
"""Between what the small encoder gives and what it was made from gave, on average."""


def all_prompts(data: Sequence[Path], *, seed: int) -> list[Prompt]:
    """Those of the files that weights given away may see, the project's own, and what is no prompt."""
    given = [prompt for prompt in read_prompts(data) if prompt.may_ship]
    return [*given, *own_prompts(seed)]


def make_artefact(
    data: Sequence[Path],
    out: Path,
    *,
    version: str,
    seed: int = 0,
    groups: int = 2,
    key: Path | None = None,
    kept: Path | None = None,
) -> Manifest:
    """Tunes an encoder, fits the heads over it, and writes them to `out`, signed with the Ed25519 key.

    For measuring, `groups` more encoders are tuned, each without a group of the sources. What they made of
    the prompts is left in the folder `kept` for the next time. Raises Internal if the small encoder is too
    far from what it was made from.
    """
    known = material(all_prompts(data, seed=seed))
    encoders = Encoders(known, Recipe(seed=seed), kept=kept)
    measures = measures_of(crossed(known, encoders.vectors_without, groups=groups), known)
    weights = encoders.tuned(np.ones(len(known.labels), bool))
    encoder, tokenizer = int8_graph(weights), tokenizer_bytes()
    small = msgspec.structs.replace(known, vectors=vectors_by(load_sentences(encoder, tokenizer), known))
    cosine = _cosine(small.vectors, encoders.vectors(weights))
    if cosine < _LEAST_COSINE:
        raise Internal(f"the small encoder is too far from the exact one: {cosine:.3f}")
    measures = msgspec.structs.replace(measures, figures=measures.figures | {"encoder_cosine": cosine})
    trained = Trained(sources=known.sources, data_sha256=known.digest, libraries=libraries(), seed=seed)
    return fit_and_write(
        small, measures, out, encoder=encoder, tokenizer=tokenizer, trained=trained, version=version, key=key
    )


def vectors_by(encode: Encode, known: Material) -> Vectors:
    """0 for what it cannot read."""
    made = np.zeros((len(known.labels), EMBEDDED), np.float32)
    rows = np.flatnonzero(known.readable)
    made[rows] = encode([known.prompts[row].text for row in rows.tolist()])
    return made


def _cosine(made: Vectors, exact: Vectors) -> float:
    both = (made * exact).sum(axis=1)
    return round(float(both[np.abs(exact).sum(axis=1) > 0].mean()), 4)
