"""Which implementation encodes: onnxruntime, or where that does not work the reference."""

import logging
from pathlib import Path

from tokenizers import Tokenizer

from models.encoding.agreement import agree
from models.encoding.encoder import Encoder, TokenEncoder
from models.encoding.reference import ReferenceEncoder
from models.encoding.weights import TOKENIZER, check, installed, read

log = logging.getLogger(__name__)


def load_encoder(directory: Path | None = None, *, threads: int = 1) -> Encoder:
    """Takes most of a second. `directory` holds the weights, if not those that are installed.

    Raises Internal if they are not the pinned ones: their vectors would not compare with those stored.
    """
    found = directory or installed()
    check(found)
    try:
        encoder = _light(found, threads)
        agree(encoder)
    except Exception as error:  # noqa: BLE001 whatever keeps onnxruntime from working here, the reference does
        log.warning("sentence-transformers encodes, slowly and with torch in memory: %s", error)
        return ReferenceEncoder(found, threads=threads)
    return encoder


def _light(directory: Path, threads: int) -> TokenEncoder:
    # Imported here: that onnxruntime cannot be may be what does not work.
    from models.encoding.graph import load_graph

    run = load_graph(read(directory), threads=threads)
    return TokenEncoder(Tokenizer.from_file(str(directory / TOKENIZER)), run)
