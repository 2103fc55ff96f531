"""How far an encoder may be from the reference, by sentences whose vectors the reference made beforehand."""

import tomllib
from pathlib import Path

import numpy as np

from models.encoding.encoder import Encoder, Vectors
from models.encoding.reference import ReferenceEncoder
from models.encoding.weights import check, installed
from models.errors import Internal

LEAST_COSINE = 0.9999

_FILE = Path(__file__).with_suffix(".toml")
_HEADER = "# Vectors of sentence-transformers. Written by `python -m models.encoding`.\n"
_TEXTS = (
    "How do I cancel an order that has been paid for?",
    "Der Vertrag läuft am 31.12. aus; 契約は自動的に更新されません。",
)
_DECIMALS = 6


def agree(encoder: Encoder) -> None:
    """Raises Internal if it gives other vectors than the reference. Takes some ten milliseconds."""
    texts, vectors = _expected()
    least = float(np.min(np.sum(encoder.encode(texts) * vectors, axis=1)))
    if not least >= LEAST_COSINE:
        raise Internal(f"its vectors have a cosine of {least:.6f} with the reference's")


def _expected() -> tuple[list[str], Vectors]:
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["sentences"]
    return [row["text"] for row in rows], np.asarray([row["vector"] for row in rows], np.float32)


def renew() -> None:
    check(installed())
    made = ReferenceEncoder(installed(), threads=1).encode(_TEXTS)
    rows = [
        f'[[sentences]]\ntext = "{text}"\nvector = {np.round(vector.astype(float), _DECIMALS).tolist()}\n'
        for text, vector in zip(_TEXTS, made, strict=True)
    ]
    _FILE.write_text("\n".join([_HEADER, *rows]), encoding="utf-8")
