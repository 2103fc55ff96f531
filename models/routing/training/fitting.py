"""Fits the two heads."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from models.routing.artefact import Arrays
from models.routing.heads import EMBEDDED_WEIGHT, HASHED_WEIGHT, Scores, joined, log_softmax
from models.routing.training.material import NONE, Material, row_weights

Rows = NDArray[np.bool_]

_FIRST_C = 0.02
_SECOND_C = 0.001
_ITERATIONS = 100
_UNREADABLE_WEIGHT = 3.0
"""Of texts that the first stage has to answer alone."""
_NOT_STILL = 0.05
"""Added to a feature's deviation, so that one that hardly ever moves is not blown up."""
_VECTOR_NOT_STILL = 0.02


def fitted(material: Material, rows: Rows, sharpness: Sequence[NDArray[np.float32]] | None = None) -> Arrays:
    """Of the rows chosen. `sharpness` as fitted on sources held out; without, scores stay as they are."""
    dense, vectors = material.dense[rows], material.vectors[rows & material.readable]
    even = np.concatenate([np.ones(NONE + 1), np.zeros(NONE + 1)]).astype(np.float32)
    first_sharpness, second_sharpness = sharpness or (even, even)
    arrays = {
        "dense_mean": dense.mean(axis=0),
        "dense_scale": 1 / (dense.std(axis=0) + _NOT_STILL),
        "vector_mean": vectors.mean(axis=0),
        "vector_scale": EMBEDDED_WEIGHT / (vectors.std(axis=0) + _VECTOR_NOT_STILL),
        "first_sharpness": first_sharpness,
        "second_sharpness": second_sharpness,
    }
    weights = row_weights(material.families[rows], material.labels[rows])
    first, first_bias = _regressed(
        _first_input(material, rows, arrays),
        material.labels[rows],
        weights * np.where(material.readable[rows], 1.0, _UNREADABLE_WEIGHT),
        _FIRST_C,
    )
    read = rows & material.readable
    second, second_bias = _regressed(
        _second_input(material, read, arrays),
        material.labels[read],
        row_weights(material.families[read], material.labels[read]),
        _SECOND_C,
    )
    width = material.dense.shape[1]
    arrays |= {
        "first_dense": first[:width],
        "first_hashed": first[width:],
        "first_bias": first_bias,
        "second": second,
        "second_bias": second_bias,
    }
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def predicted(material: Material, rows: Rows, arrays: Arrays) -> tuple[Scores, Scores]:
    """What the first stage says of the rows chosen, and what both say, neither calibrated.

    Of what the encoder cannot read both say what the first does.
    """
    weights = np.concatenate([arrays["first_dense"], arrays["first_hashed"]])
    first = log_softmax(_first_input(material, rows, arrays) @ weights + arrays["first_bias"])
    second = log_softmax(_second_input(material, rows, arrays) @ arrays["second"] + arrays["second_bias"])
    return first, np.where(material.readable[rows, None], joined(first, second), first)


def _first_input(material: Material, rows: Rows, arrays: Arrays) -> csr_matrix:
    dense = (material.dense[rows] - arrays["dense_mean"]) * arrays["dense_scale"]
    return hstack([csr_matrix(dense), HASHED_WEIGHT * material.hashed[rows]]).tocsr()


def _second_input(material: Material, rows: Rows, arrays: Arrays) -> NDArray[np.float32]:
    dense = (material.dense[rows] - arrays["dense_mean"]) * arrays["dense_scale"]
    vectors = (material.vectors[rows] - arrays["vector_mean"]) * arrays["vector_scale"]
    return np.hstack([dense, vectors])


def _regressed(
    inputs: csr_matrix | NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(features, classes) and (classes,), with a very unlikely class where there are no rows of one."""
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS)
    model.fit(inputs, labels, sample_weight=weights)
    slopes = np.zeros((inputs.shape[1], NONE + 1))
    bias = np.full(NONE + 1, -30.0)
    slopes[:, model.classes_] = model.coef_.T
    bias[model.classes_] = model.intercept_
    return slopes, bias
