"""How a model does on prompts like this one, learned from logged outcomes: what a table of tasks cannot know.

Two simple estimates, averaged: ridge regression, and tables of means over the groups that the log names (an
application, a data set: what prompts have in common), weighed by how probable each is; without groups, over
clusters of two sizes. Small data is shrunk to the mean of all. Prompts come as vectors and texts.
"""

import re
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

_WORD = re.compile(r"\w+|[^\w\s]")

CLUSTERS = (24, 64)
SHRINKAGE = 8.0
RIDGE = 1_500.0
GROUP_RIDGE = 60.0
GROUP_SHARPNESS = 10.0
"""Of the regression's scores of groups, as log-odds."""
VECTOR_SCALE = 4.0
CUE_SCALE = 0.7
WORD_SCALE = 6.0
WORD_BUCKETS = 4_096
HEAD_CHARS, TAIL_CHARS = 1_200, 600
"""Of a long text, whose words are looked at."""
ROUNDS = 25


class Correction:
    """What was learned; `predict` is cheap: a few products of small matrices."""

    def __init__(
        self, vectors: Matrix, texts: Sequence[str], scores: Matrix, groups: Sequence[str] = ()
    ) -> None:
        """`scores` is (prompts, models), from 0 to 1. `groups` names each prompt's group, if known."""
        cues, words = _cues(texts), _words(texts)
        self._center, self._spread = cues.mean(0), cues.std(0) + 1e-6
        self._rarity = np.log(len(texts) / (1.0 + (words != 0).sum(0))).clip(0.1).astype(np.float32)
        self._mean = scores.mean(0)
        close = self._features(vectors, cues)
        features = self._with_words(close, words)
        self._weights = _ridge(features, scores - self._mean, RIDGE)
        self._groups: tuple[Matrix, Matrix] | None = None
        self._clusters: list[tuple[Matrix, Matrix]] = []
        if len(set(groups)) > 1:
            self._groups = _group_table(features, scores, groups)
        else:
            self._clusters = [_cluster_table(close, scores, number) for number in CLUSTERS]

    def predict(self, vectors: Matrix, texts: Sequence[str]) -> Matrix:
        """(prompts, models): the expected scores."""
        close = self._features(vectors, _cues(texts))
        features = self._with_words(close, _words(texts))
        regression = _with_one(features) @ self._weights + self._mean
        if self._groups is not None:
            weights, table = self._groups
            odds = GROUP_SHARPNESS * (_with_one(features) @ weights)
            shares = np.exp(odds - odds.max(1, keepdims=True))
            others = (shares / shares.sum(1, keepdims=True)) @ table
        else:
            found = [table[_nearest(close, centers)] for centers, table in self._clusters]
            others = sum(found[1:], found[0]) / len(found)
        return np.asarray((regression + others) / 2, np.float32)

    def _with_words(self, close: Matrix, words: Matrix) -> Matrix:
        rare = words * self._rarity
        rare /= np.linalg.norm(rare, axis=1, keepdims=True) + 1e-9
        return np.hstack([close, WORD_SCALE * rare])

    def _features(self, vectors: Matrix, cues: Matrix) -> Matrix:
        scaled = (cues - self._center) / self._spread
        return np.hstack([vectors * VECTOR_SCALE, scaled * CUE_SCALE]).astype(np.float32)


def _group_table(features: Matrix, scores: Matrix, groups: Sequence[str]) -> tuple[Matrix, Matrix]:
    names = sorted(set(groups))
    at = np.array([names.index(group) for group in groups])
    one_hot = np.eye(len(names), dtype=np.float32)[at]
    return _ridge(features, one_hot, GROUP_RIDGE), _table(at, scores, len(names))


def _words(texts: Sequence[str]) -> Matrix:
    """Signed counts of words and pairs of them, hashed and dampened."""
    counts = np.zeros((len(texts), WORD_BUCKETS), np.float32)
    for row, text in enumerate(texts):
        whole = text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]} {text[-TAIL_CHARS:]}"
        words = _WORD.findall(whole.lower())
        for piece in (*words, *(f"{one} {next_}" for one, next_ in pairwise(words))):
            code = zlib.crc32(piece.encode("utf-8", "replace"))
            counts[row, code % WORD_BUCKETS] += 1.0 if code >> 31 else -1.0
    return np.sign(counts) * np.sqrt(np.abs(counts))


def _cues(texts: Sequence[str]) -> Matrix:
    """What the form of a prompt tells."""
    rows = [
        (
            np.log1p(len(text)),
            len(text) < 200,
            text.count("\n") > 2,
            "A." in text or "(A)" in text or "A:" in text,
            text.startswith("Q: "),
            "def " in text or "```" in text,
            "$" in text,
            10.0 * sum(map(str.isdigit, text[:4_000])) / max(1, min(4_000, len(text))),
        )
        for text in texts
    ]
    return np.array(rows, np.float32)


def _with_one(features: Matrix) -> Matrix:
    return np.hstack([features, np.ones((len(features), 1), np.float32)])


def _ridge(features: Matrix, targets: Matrix, strength: float) -> Matrix:
    known = _with_one(features)
    if len(known) < known.shape[1]:
        inner = known @ known.T + strength * np.eye(len(known), dtype=np.float32)
        return np.asarray(known.T @ np.linalg.solve(inner, targets), np.float32)
    gram = known.T @ known + strength * np.eye(known.shape[1], dtype=np.float32)
    return np.linalg.solve(gram, known.T @ targets).astype(np.float32)


def _table(at: NDArray[np.int64], scores: Matrix, number: int) -> Matrix:
    """Means of each class, shrunk to that of all."""
    sums, counts = np.zeros((number, scores.shape[1])), np.zeros((number, 1))
    np.add.at(sums, at, scores)
    np.add.at(counts, at, 1)
    return np.asarray((sums + SHRINKAGE * scores.mean(0)) / (counts + SHRINKAGE), np.float32)


def _cluster_table(features: Matrix, scores: Matrix, number: int) -> tuple[Matrix, Matrix]:
    """Lloyd's algorithm from spread-out beginnings; the same for the same data."""
    rng = np.random.default_rng(0)
    number = min(number, len(features))
    centers = _beginnings(features, number, rng)
    for _ in range(ROUNDS):
        at = _nearest(features, centers)
        for one in np.unique(at):
            centers[one] = features[at == one].mean(0)
    return centers, _table(_nearest(features, centers), scores, number)


def _beginnings(features: Matrix, number: int, rng: np.random.Generator) -> Matrix:
    """k-means++: each far from those before it, probably."""
    chosen = [int(rng.integers(len(features)))]
    distance = np.full(len(features), np.inf)
    while len(chosen) < number:
        distance = np.minimum(distance, ((features - features[chosen[-1]]) ** 2).sum(1))
        total = distance.sum()
        odds = distance / total if total > 0 else None
        chosen.append(int(rng.choice(len(features), p=odds)))
    return features[chosen].copy()


def _nearest(features: Matrix, centers: Matrix) -> NDArray[np.int64]:
    distances = (centers**2).sum(1) - 2 * features @ centers.T
    return np.asarray(distances.argmin(1), np.int64)
