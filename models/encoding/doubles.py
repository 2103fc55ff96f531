"""An encoder without weights."""

import hashlib
from collections.abc import Sequence

import numpy as np

from models.encoding.encoder import DIMENSIONS, Vectors


class WordHashEncoder:
    """Texts are close if they have words in common."""

    name = "word-hash"
    dimensions = DIMENSIONS

    def encode(self, texts: Sequence[str]) -> Vectors:
        made = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split() or [""]:
                made[row, int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS] += 1
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)
