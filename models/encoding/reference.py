"""sentence-transformers, which the weights are made for: what any other implementation has to agree with."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.encoding.encoder import DIMENSIONS, MAX_TOKENS, NAME, Vectors, clean


class ReferenceEncoder:
    """Brings torch: several times the memory and the time, and seconds to load."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self, directory: Path, *, threads: int) -> None:
        # Read at import. Everything is at hand, and nobody is asked whether there is something newer.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(threads)
        self._model = SentenceTransformer(str(directory), device="cpu", local_files_only=True)
        self._model.max_seq_length = MAX_TOKENS

    def encode(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, DIMENSIONS), np.float32)
        cleaned = [clean(text) for text in texts]
        made = self._model.encode(cleaned, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(made, np.float32)
