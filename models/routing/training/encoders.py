"""Encoders tuned on different choices of the same prompts, sharing what they have in common."""

import hashlib
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.routing.sentences import EMBEDDED, Vectors, tokens_by
from models.routing.task import TASKS
from models.routing.training.forms import SOURCE as FORMS
from models.routing.training.graph import Weights, frozen_weights, tokenizer_bytes
from models.routing.training.material import NONE, Material, row_weights
from models.routing.training.prompts import WRITTEN, Prompt
from models.routing.training.tuning import Recipe, Texts, frozen_states, tuned, vectors_of

Rows = NDArray[np.bool_]

_ALT_SHARE = 0.3
"""Of a prompt with second answers, what these have of the target."""
_OFTEN, _FORMS_SHARE, _WRITTEN_SHARE = 4.0, 0.5, 1.5
"""At most so much more often than the average prompt comes one; forms, which are much alike, half as often,
and what was written for this more often."""
_DENSE_BOUND = 4.0


class Encoders:
    def __init__(self, known: Material, recipe: Recipe, *, kept: Path | None = None) -> None:
        """`kept` is a folder where vectors are left for the next time."""
        self._known = known
        self._recipe = recipe
        self._kept = kept
        self._rows = np.flatnonzero(known.readable)
        self._start = frozen_weights()

    def tuned(self, rows: Rows) -> Weights:
        """On the rows chosen that it can read."""
        known = self._known
        chosen = rows[self._rows]
        labels, families = known.labels[self._rows], known.families[self._rows]
        weights = row_weights(families[chosen], labels[chosen])
        weights = weights * np.where(families[chosen] == FORMS, _FORMS_SHARE, 1.0)
        weights = weights * np.where(np.isin(families[chosen], WRITTEN), _WRITTEN_SHARE, 1.0)
        draws = np.zeros(len(self._rows))
        draws[chosen] = np.minimum(weights / weights.mean(), _OFTEN)
        draws /= draws[chosen].mean()
        targets = np.stack([_target(known.prompts[row]) for row in self._rows.tolist()])
        return tuned(self._start, self._texts, self._dense, targets, draws, self._recipe)

    def vectors(self, weights: Weights) -> Vectors:
        """Of all that it can read; 0 for the others."""
        made = np.zeros((len(self._known.labels), EMBEDDED), np.float32)
        made[self._rows] = vectors_of(weights, self._texts, self._recipe)
        return made

    def vectors_without(self, held_out: Rows) -> Vectors:
        """By an encoder that never saw these rows."""
        file = self._file(held_out)
        if file is not None and file.is_file():
            return np.asarray(np.load(file, allow_pickle=False), np.float32)
        made = self.vectors(self.tuned(~held_out))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, made, allow_pickle=False)
        return made

    def _file(self, held_out: Rows) -> Path | None:
        if self._kept is None:
            return None
        content = (
            self._known.digest.encode() + msgspec.json.encode(self._recipe) + np.packbits(held_out).tobytes()
        )
        return self._kept / f"vectors-{hashlib.sha256(content).hexdigest()[:24]}.npy"

    @cached_property
    def _texts(self) -> Texts:
        tokens = tokens_by(tokenizer_bytes())
        return frozen_states(
            self._start, [tokens(self._known.prompts[row].text) for row in self._rows.tolist()], self._recipe
        )

    @cached_property
    def _dense(self) -> NDArray[np.float32]:
        dense = self._known.dense[self._rows]
        even = (dense - dense.mean(axis=0)) / (dense.std(axis=0) + 0.05)
        return np.asarray(np.clip(even, -_DENSE_BOUND, _DENSE_BOUND), np.float32)


def _target(prompt: Prompt) -> NDArray[np.float32]:
    made = np.zeros(NONE + 1, np.float32)
    made[NONE if prompt.task is None else TASKS.index(prompt.task)] = 1.0
    if prompt.alt:
        made *= 1 - _ALT_SHARE
        made[[TASKS.index(task) for task in prompt.alt]] += _ALT_SHARE / len(prompt.alt)
    return made
