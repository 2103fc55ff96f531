"""The installed weights, run twice: as the product runs them, and by sentence-transformers."""

import socket
import sys

import pytest

from models.encoding import Encoder, load_encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder()


@pytest.fixture(scope="session")
def fallback() -> Encoder:
    """What is loaded where onnxruntime cannot be. It finds no network, and needs none."""

    def refuse(*_: object) -> None:
        raise AssertionError("an encoder asked the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "models.encoding.graph", None)
        patch.setattr(socket.socket, "connect", refuse)
        return load_encoder()
