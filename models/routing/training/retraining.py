"""Fits heads anew, over an encoder as it is. Needs no torch."""

from collections.abc import Sequence
from pathlib import Path

from models.routing.artefact import Artefact, Manifest, Trained
from models.routing.sentences import load_sentences
from models.routing.training.crossing import crossed
from models.routing.training.forms import made_prompts
from models.routing.training.material import Material, material
from models.routing.training.measures import measures_of
from models.routing.training.noise import noise
from models.routing.training.prompts import Prompt, sample_prompts
from models.routing.training.writing import fit_and_write, libraries


def own_prompts(seed: int = 0) -> list[Prompt]:
    """The project's own, and what is no prompt."""
    return [*sample_prompts(), *made_prompts(seed), *noise(seed)]


def embedded(prompts: Sequence[Prompt], artefact: Artefact) -> Material:
    """What heads are fitted on: the prompts' labels, features, and vectors by the artefact's encoder."""
    return material(prompts, load_sentences(artefact.encoder, artefact.tokenizer))


def heads_only(
    known: Material, out: Path, *, base: Artefact, version: str, key: Path | None = None, seed: int = 0
) -> Manifest:
    """Fits both heads on `known`, over the encoder of `base` as it is, and writes a whole artefact to `out`.

    Takes seconds. `known` is what `embedded` made, with `base`, of one's own prompts and, so that nothing is
    forgotten, of `own_prompts`. Each source other than the project's is measured by heads that never saw it;
    but the encoder has seen those that `base.manifest.trained.sources` names, and figures of these flatter.
    Without `key` it is not signed, and no gateway takes it.
    """
    before = base.manifest.trained
    trained = Trained(
        sources=before.sources | known.sources, data_sha256=known.digest, libraries=libraries(), seed=seed
    )
    return fit_and_write(
        known,
        measures_of(crossed(known), known),
        out,
        encoder=base.encoder,
        tokenizer=base.tokenizer,
        trained=trained,
        version=version,
        key=key,
    )
