"""What an encoder is, and how the texts of one call are run: by length, in bounded portions."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

NAME = "all-MiniLM-L6-v2"
"""Vectors under this name are comparable, whoever made them: every implementation gives the same."""
DIMENSIONS = 384
MAX_TOKENS = 256
"""Of a text, the two around it included; what comes after does not count. The model is made for no more."""
MAX_CHARS = 8_192
"""Of a text that are looked at: cutting a whole book into tokens for the first 256 takes seconds."""
RUN_TOKENS = 1_024
"""Padding included, at once. Larger runs are no faster, and take memory that is kept."""

Vectors = NDArray[np.float32]
Run = Callable[[NDArray[np.int64], NDArray[np.int32]], Vectors]
"""From token ids and mask, both (texts, tokens), to unit vectors (texts, DIMENSIONS)."""


class Encoder(Protocol):
    """Blocks while it works. One thread at a time."""

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(texts, dimensions), each of length one, in the order of the texts. A text may be empty."""
        ...


class TokenEncoder:
    """Runs a model over tokens."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self, tokenizer: Tokenizer, run: Run) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer = tokenizer
        self._run = run

    def encode(self, texts: Sequence[str]) -> Vectors:
        # One by one: the tokenizer's own batches start as many threads as there are cores.
        tokens = [self._tokenizer.encode(clean(text)) for text in texts]
        made = np.empty((len(texts), DIMENSIONS), np.float32)
        for rows in _portions([len(one) for one in tokens]):
            made[rows] = self._run(*_padded([tokens[row] for row in rows]))
        return made


def clean(text: str) -> str:
    """What is looked at of a text. Half a surrogate pair, which is no text, becomes a question mark."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode()


def _portions(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Shortest first, so that little is padded."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and lengths[row] * (len(rows) + 1) > RUN_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def _padded(tokens: Sequence[Encoding]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    shape = len(tokens), max(map(len, tokens))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int32)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = one.ids
        mask[row, : len(one)] = 1
    return ids, mask
