"""Every source predicted by a model that never saw it."""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from models.routing.heads import Scores, calibrated
from models.routing.training.fitting import fitted, predicted
from models.routing.training.material import NONE, Material

OWN = ("polyvox-forms", "polyvox-sample")
"""Always trained on where there are others: what the project wrote itself is not what users write."""
_PULL = 0.002
"""Towards no calibration at all, for a class of which little is known."""


class Crossed(Struct, frozen=True):
    rows: NDArray[np.bool_]
    """Those that were held out once."""
    first: Scores
    second: Scores
    """Both for each of these rows, uncalibrated."""


def crossed(material: Material) -> Crossed:
    rows = _held_out_once(material)
    first = np.zeros((len(material.labels), NONE + 1), np.float32)
    second = np.zeros_like(first)
    for held_out in _families(material, rows):
        first[held_out], second[held_out] = predicted(material, held_out, fitted(material, ~held_out))
    return Crossed(rows, first[rows], second[rows])


def _held_out_once(material: Material) -> NDArray[np.bool_]:
    others = ~np.isin(material.families, OWN)
    return others if (others & (material.labels != NONE)).any() else np.ones(len(others), bool)


def sharpness(scores: Scores, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """A factor for each class's score and a summand, by which the scores are most believed in."""
    start = np.concatenate([np.ones(NONE + 1), np.zeros(NONE + 1)])
    rows = np.arange(len(labels))

    def loss(values: NDArray[np.float64]) -> float:
        told = calibrated(scores, values)
        return float(-told[rows, labels].mean() + _PULL * ((values - start) ** 2).sum())

    found = minimize(loss, start, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x, np.float32)


def calibrated_across(scores: Scores, labels: NDArray[np.int64], families: NDArray[np.str_]) -> Scores:
    """Each family by what was fitted on the others' scores."""
    made = np.zeros_like(scores)
    for family in np.unique(families):
        held_out = families == family
        made[held_out] = calibrated(scores[held_out], sharpness(scores[~held_out], labels[~held_out]))
    return made


def _families(material: Material, rows: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    for family in np.unique(material.families[rows]):
        yield material.families == family
