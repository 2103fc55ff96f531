"""The second stage's eyes: a small sentence encoder as int8 ONNX, over a prompt's head and tail."""

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.routing.features import HEAD_CHARS, TAIL_CHARS

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
"""From texts to (texts, EMBEDDED), each of length one."""
Tokens = Callable[[str], list[int]]

EMBEDDED = 384
MAX_TOKENS = 128
"""Of head and tail together."""
RUN_TOKENS = 1_024
"""Padding included, at once."""

_ERRORS_ONLY = 3


def load_sentences(graph: bytes, tokenizer: bytes, *, threads: int = 1) -> Encode:
    # Read when it is imported: without it, it reports to its maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    cut = tokens_by(tokenizer)

    def run(ids: NDArray[np.int64], mask: NDArray[np.int32]) -> Vectors:
        (vectors,) = session.run(None, {"ids": ids, "mask": mask})
        return np.asarray(vectors, np.float32)

    def encode(texts: Sequence[str]) -> Vectors:
        # One by one: the tokenizer's own batches start as many threads as there are cores.
        return _encoded([cut(text) for text in texts], run)

    return encode


def tokens_by(tokenizer: bytes) -> Tokens:
    """Those of a text's head, and after a separator those of its tail, where it is longer than a head."""
    from tokenizers import Tokenizer

    cut = Tokenizer.from_str(tokenizer.decode())
    cut.no_padding()
    cut.enable_truncation(MAX_TOKENS)

    def tokens(text: str) -> list[int]:
        clean = text.encode("utf-8", "replace").decode()
        head, tail = clean[:HEAD_CHARS], clean[HEAD_CHARS:][-TAIL_CHARS:]
        ids: list[int] = cut.encode(head, tail or None).ids
        return ids

    return tokens


def _encoded(
    tokens: Sequence[Sequence[int]], run: Callable[[NDArray[np.int64], NDArray[np.int32]], Vectors]
) -> Vectors:
    """Longest first, in bounded portions, so that little is padded."""
    made = np.empty((len(tokens), EMBEDDED), np.float32)
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    while order:
        rows = [order.pop()]
        longest = len(tokens[rows[0]])
        while order and longest * (len(rows) + 1) <= RUN_TOKENS:
            rows.append(order.pop())
        made[rows] = run(*_padded([tokens[row] for row in rows], longest))
    return made


def _padded(tokens: Sequence[Sequence[int]], longest: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    ids = np.zeros((len(tokens), longest), np.int64)
    mask = np.zeros((len(tokens), longest), np.int32)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return ids, mask
