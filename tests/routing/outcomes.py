"""A matrix of outcomes: prompts, and what each model's answer was worth and cost."""

import json
from collections.abc import Callable, Sequence
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.encoding import load_encoder

Array = NDArray[np.float32]
LOG_PERCENT = 60


class Matrix(NamedTuple):
    name: str
    models: list[str]
    texts: list[str]
    sources: list[str]
    tasks: list[str]
    scores: Array
    costs: Array
    is_log: NDArray[np.bool_]
    """The rest is the test."""

    def part(self, *, log: bool) -> "Matrix":
        rows = np.flatnonzero(self.is_log == log)
        return self._replace(
            texts=[self.texts[row] for row in rows],
            sources=[self.sources[row] for row in rows],
            tasks=[self.tasks[row] for row in rows],
            scores=self.scores[rows],
            costs=self.costs[rows],
            is_log=self.is_log[rows],
        )


def read(path: Path) -> Matrix:
    """JSON lines of `id`, `text`, `source`, `task` and `models: {name: {score, cost}}`."""
    rows = [
        json.loads(line) for line in path.read_text("utf-8").split("\n") if line
    ]  # text may hold other breaks
    models = list(rows[0]["models"])
    return Matrix(
        name=path.stem,
        models=models,
        texts=[row["text"] for row in rows],
        sources=[row["source"] for row in rows],
        tasks=[str(row["task"]) for row in rows],
        scores=_cells(rows, models, "score"),
        costs=_cells(rows, models, "cost"),
        is_log=np.array([_bucket(row["id"]) < LOG_PERCENT for row in rows]),
    )


def embed(texts: Sequence[str], *, kept: Path | None, say: Callable[[str], None]) -> Array:
    """By the bundled encoder: minutes for thousands, so they are kept in `kept`, if that is given."""
    if kept is not None and kept.exists():
        found: Array = np.load(kept)
        return found
    encoder, order = load_encoder(), sorted(range(len(texts)), key=lambda at: len(texts[at]))
    made = np.empty((len(texts), encoder.dimensions), np.float32)
    for start in range(0, len(order), 64):
        rows = order[start : start + 64]
        made[rows] = encoder.encode([texts[row] for row in rows])
        if start % 1_024 == 0:
            say(f"embedded {start} of {len(texts)}")
    if kept is not None:
        np.save(kept, made)
    return made


def _cells(
    rows: Sequence[dict[str, dict[str, dict[str, float]]]], models: Sequence[str], field: str
) -> Array:
    return np.array([[row["models"][model][field] for model in models] for row in rows], np.float32)


def _bucket(name: str) -> int:
    return int(md5(name.encode(), usedforsecurity=False).hexdigest(), 16) % 100
