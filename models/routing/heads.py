"""The two linear heads over features and vectors, in numpy, and how their answers become probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.routing.artefact import Arrays
from models.routing.features import Seen
from models.routing.sentences import Vectors

Scores = NDArray[np.float32]
"""(texts, classes): logarithms of probabilities, a class for each task, the last for no request."""

HASHED_WEIGHT = 20.0
"""A prompt's words weigh together as much as this many of its other features, each of deviation one."""
EMBEDDED_WEIGHT = 1.5
_FIRST_SHARE = 0.35


class Heads:
    """`first` sees features only, `second` sees vectors as well and is averaged with the first."""

    def __init__(self, arrays: Arrays) -> None:
        self._mean, self._scale = arrays["dense_mean"], arrays["dense_scale"]
        self._dense, self._hashed, self._bias = (
            arrays["first_dense"],
            np.ascontiguousarray(arrays["first_hashed"]),
            arrays["first_bias"],
        )
        self._vector_mean, self._vector_scale = arrays["vector_mean"], arrays["vector_scale"]
        self._second, self._second_bias = arrays["second"], arrays["second_bias"]
        self._sharpness = arrays["first_sharpness"], arrays["second_sharpness"]

    def first(self, seen: Seen) -> Scores:
        """(1, classes), calibrated."""
        return calibrated(self._raw_first(seen), self._sharpness[0])

    def second(self, seen: Sequence[Seen], vectors: Vectors) -> Scores:
        """(texts, classes), calibrated."""
        first = np.concatenate([self._raw_first(one) for one in seen])
        dense = (np.stack([one.dense for one in seen]) - self._mean) * self._scale
        embedded = (vectors - self._vector_mean) * self._vector_scale
        second = np.hstack([dense, embedded]) @ self._second + self._second_bias
        return calibrated(joined(first, log_softmax(second)), self._sharpness[1])

    def _raw_first(self, seen: Seen) -> Scores:
        scores = ((seen.dense - self._mean) * self._scale) @ self._dense + self._bias
        if len(seen.hashed):
            weight = HASHED_WEIGHT / np.sqrt(len(seen.hashed))
            scores = scores + weight * self._hashed[seen.hashed].sum(axis=0)
        return log_softmax(scores[None])


def joined(first: Scores, second: Scores) -> Scores:
    """The weighted geometric mean of what the two say."""
    return log_softmax(_FIRST_SHARE * first + (1 - _FIRST_SHARE) * second)


def calibrated(scores: Scores, sharpness: NDArray[np.floating]) -> Scores:
    """`sharpness` has a factor for each class, and after them a summand for each."""
    classes = scores.shape[1]
    return log_softmax(scores * sharpness[:classes] + sharpness[classes:])


def log_softmax(scores: NDArray[np.floating]) -> Scores:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)
