"""Prompts as the numbers that heads are fitted on."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from models.routing.features import HASHED, Seen, is_readable, look
from models.routing.sentences import EMBEDDED, Encode, Vectors
from models.routing.task import TASKS
from models.routing.training.prompts import Prompt

NONE = len(TASKS)
"""The class of what is no request."""
_BATCH = 64


class Material(Struct, frozen=True):
    prompts: Sequence[Prompt]
    labels: NDArray[np.int64]
    families: NDArray[np.str_]
    seen: Sequence[Seen]
    dense: NDArray[np.float32]
    hashed: csr_matrix
    """Each row of length one."""
    readable: NDArray[np.bool_]
    """By the encoder."""
    vectors: Vectors
    """(prompts, EMBEDDED), 0 where the encoder cannot read."""

    @property
    def digest(self) -> str:
        return digest_of(self.prompts)

    @property
    def sources(self) -> dict[str, int]:
        return dict(sorted(Counter(prompt.source for prompt in self.prompts).items()))


def material(prompts: Sequence[Prompt], encode: Encode | None = None) -> Material:
    """Without `encode` all vectors are 0: what needs none can be fitted."""
    seen = [look(prompt.text) for prompt in prompts]
    readable = np.asarray([is_readable(one) for one in seen])
    vectors = np.zeros((len(prompts), EMBEDDED), np.float32)
    if encode is not None:
        rows = np.flatnonzero(readable)
        for first in range(0, len(rows), _BATCH):
            batch = rows[first : first + _BATCH]
            vectors[batch] = encode([prompts[row].text for row in batch])
    return Material(
        prompts,
        np.asarray([NONE if p.task is None else TASKS.index(p.task) for p in prompts], np.int64),
        np.asarray([prompt.family for prompt in prompts]),
        seen,
        np.stack([one.dense for one in seen]),
        _sparse(seen),
        readable,
        vectors,
    )


def digest_of(prompts: Sequence[Prompt]) -> str:
    rows = sorted(f"{prompt.source}\t{prompt.task}\t{prompt.text}" for prompt in prompts)
    return hashlib.sha256("\n".join(rows).encode("utf-8", "replace")).hexdigest()


def _sparse(seen: Sequence[Seen]) -> csr_matrix:
    counts = [len(one.hashed) for one in seen]
    values = np.concatenate([np.full(count, 1 / np.sqrt(max(count, 1)), np.float32) for count in counts])
    columns = np.concatenate([one.hashed for one in seen])
    return csr_matrix((values, columns, np.cumsum([0, *counts])), shape=(len(seen), HASHED))


def row_weights(families: NDArray[np.str_], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rare tasks and small sources count for more than their rows, though not for as much as large ones."""
    rows = list(zip(families.tolist(), labels.tolist(), strict=True))
    counts = Counter(rows)
    weights = np.asarray([counts[row] ** -0.4 for row in rows])
    of_label = np.asarray([max(weights[labels == label].sum(), 1e-9) for label in range(NONE + 1)])
    weights = weights * of_label[labels] ** -0.6
    return np.asarray(weights / weights.mean())
