"""Every source predicted by a model that never saw it."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import log_softmax  # type: ignore[import-untyped]

from models.routing.heads import Scores, calibrated
from models.routing.sentences import Vectors
from models.routing.training.fitting import fitted, predicted
from models.routing.training.forms import SOURCE as FORMS
from models.routing.training.material import NONE, Material
from models.routing.training.prompts import WRITTEN

Rows = NDArray[np.bool_]

OWN = (FORMS, *WRITTEN)
"""Always trained on where there are others: what the project wrote itself is not what users write."""
VectorsWithout = Callable[[Rows], Vectors]
"""Of all prompts, by an encoder that never saw the rows given."""
_PULL = 0.05
"""Of summands towards 0."""


class Crossed(Struct, frozen=True):
    rows: Rows
    """Those that were held out once."""
    first: Scores
    second: Scores
    """Both for each of these rows, uncalibrated."""


def crossed(material: Material, vectors_without: VectorsWithout | None = None, *, groups: int = 5) -> Crossed:
    """Without `vectors_without`, by the material's own vectors.

    Encoders take minutes, so each leaves out a whole group of sources. Heads leave out one source, and with
    it a kind of what is no request.
    """
    rows = _held_out_once(material)
    first = np.zeros((len(material.labels), NONE + 1), np.float32)
    second = np.zeros_like(first)
    for group in _grouped(_folds(material, rows), groups):
        known = material
        if vectors_without is not None:
            known = msgspec.structs.replace(material, vectors=vectors_without(np.any(group, axis=0)))
        for held_out in group:
            first[held_out], second[held_out] = predicted(known, held_out, fitted(known, ~held_out))
    return Crossed(rows, first[rows], second[rows])


def _held_out_once(material: Material) -> Rows:
    others = ~np.isin(material.families, OWN)
    return others if (others & (material.labels != NONE)).any() else np.ones(len(others), bool)


def _folds(material: Material, rows: Rows) -> list[Rows]:
    """A source each, the largest first, with some kinds of what is no request."""
    asked = rows & (material.labels != NONE)
    sources, sizes = np.unique(material.families[asked], return_counts=True)
    order = sources[np.argsort(-sizes, kind="stable")]
    kinds = np.setdiff1d(material.families[rows], sources)
    return [
        np.isin(material.families, [source, *kinds[number :: len(order)]]) & rows
        for number, source in enumerate(order)
    ]


def _grouped(folds: Sequence[Rows], count: int) -> list[list[Rows]]:
    """Groups of about the same size."""
    groups: list[list[Rows]] = [[] for _ in range(min(count, len(folds)))]
    for fold in folds:
        min(groups, key=lambda group: sum(int(one.sum()) for one in group)).append(fold)
    return groups


def sharpness(scores: Scores, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """A factor for each class's score and a summand, by which the scores are most believed in.

    The factor is one for all classes, and summands are held towards 0: how common a task is differs from
    source to source, and what is learned of it on some makes the others' rare tasks rarer still.
    """
    rows, exact = np.arange(len(labels)), scores.astype(np.float64)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factor, summands = values[0], values[1:]
        told = log_softmax(exact * factor + summands, axis=1)
        slopes = np.exp(told)
        slopes[rows, labels] -= 1
        slopes /= len(labels)
        value = -told[rows, labels].mean() + _PULL * (summands**2).sum()
        return float(value), np.append((slopes * exact).sum(), slopes.sum(axis=0) + 2 * _PULL * summands)

    start = np.append(1.0, np.zeros(NONE + 1))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    return np.asarray([*[found[0]] * (NONE + 1), *found[1:]], np.float32)


def calibrated_across(scores: Scores, labels: NDArray[np.int64], families: NDArray[np.str_]) -> Scores:
    """Each family by what was fitted on the others' scores."""
    made = np.zeros_like(scores)
    for family in np.unique(families):
        held_out = families == family
        made[held_out] = calibrated(scores[held_out], sharpness(scores[~held_out], labels[~held_out]))
    return made
