"""What was learned, as files: arrays, a graph and JSON, each checked when loaded; never a pickle."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.errors import Internal
from models.routing.features import fingerprint
from models.routing.signature import is_signed
from models.routing.task import TASKS

SCHEMA = 2
BUNDLED = Path(__file__).with_name("artefact")
"""The one that the project comes with."""

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
"""Over the manifest, which has the SHA-256 of each other file."""
HEADS = "heads.npz"
ENCODER = "encoder.onnx"
TOKENIZER = "tokenizer.json"
FILES = (HEADS, ENCODER, TOKENIZER)
MAX_BYTES = 64 * 1024 * 1024

Arrays = Mapping[str, NDArray[np.float32]]


class Trained(Struct, frozen=True, kw_only=True):
    """What the weights have seen."""

    sources: dict[str, int]
    """Prompts by source."""
    data_sha256: str
    libraries: dict[str, str]
    seed: int


class Manifest(Struct, frozen=True, kw_only=True):
    schema: int
    version: str
    """Names the artefact in decisions and reports."""
    tasks: tuple[str, ...]
    features: str
    """`features.fingerprint()` of the code that it was trained with."""
    sha256: dict[str, str]
    """Of each file but this one."""
    sure_at: float
    """From this confidence on the first stage's answer stands."""
    abstain_below: float
    """Under this confidence, and from `none_above` on, a task is a guess."""
    none_above: float
    trained: Trained
    metrics: dict[str, float]
    """Each source predicted by a model that never saw it, unless a name says otherwise."""


class Artefact(Struct, frozen=True):
    manifest: Manifest
    heads: Arrays
    encoder: bytes
    tokenizer: bytes


def read_signed(directory: Path, *, trusted: Sequence[Path] = ()) -> Artefact:
    """What may serve. `trusted` are folders of public keys beside the bundled ones.

    Raises Internal if nobody who is trusted has signed it, and where `read_artefact` does.
    """
    try:
        manifest, signature = _bounded(directory / MANIFEST), _bounded(directory / SIGNATURE)
        if not is_signed(manifest, signature, trusted=trusted):
            raise ValueError("nobody who is trusted has signed it")
    except (OSError, ValueError) as error:
        raise Internal(f"the classifier's artefact in {directory.name} is not trusted: {error}") from error
    return _artefact(directory, manifest)


def read_artefact(directory: Path) -> Artefact:
    """Whoever made it: for looking at, and for training on.

    Raises Internal if a file is missing or not the one of the manifest, or if it is for other code.
    """
    try:
        return _artefact(directory, _bounded(directory / MANIFEST))
    except (OSError, ValueError) as error:
        raise Internal(f"the classifier's artefact in {directory.name} cannot be read: {error}") from error


def _artefact(directory: Path, encoded: bytes) -> Artefact:
    try:
        manifest = msgspec.json.decode(encoded, type=Manifest)
        contents = {name: _checked(directory / name, manifest) for name in FILES}
        heads = _arrays(contents[HEADS])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Internal(f"the classifier's artefact in {directory.name} cannot be read: {error}") from error
    _fits(manifest)
    return Artefact(manifest, heads, contents[ENCODER], contents[TOKENIZER])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(arrays: Arrays) -> bytes:
    """As `heads.npz`, the same bytes for the same arrays."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **dict(arrays))
    return file.getvalue()


def _checked(path: Path, manifest: Manifest) -> bytes:
    content = _bounded(path)
    if sha256(content) != manifest.sha256.get(path.name):
        raise ValueError(f"{path.name} is not the file that the manifest names")
    return content


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path.name} is larger than any artefact")
    return content


def _arrays(content: bytes) -> Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: np.asarray(stored[name], np.float32) for name in stored.files}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(f"{HEADS} holds what is no number")
    return arrays


def _fits(manifest: Manifest) -> None:
    if manifest.schema != SCHEMA:
        raise Internal(f"the classifier's artefact is of schema {manifest.schema}, and {SCHEMA} is read here")
    if manifest.tasks != TASKS:
        raise Internal("the classifier's artefact knows other tasks")
    if manifest.features != fingerprint():
        raise Internal("the classifier's artefact was trained with other features: train it anew")
