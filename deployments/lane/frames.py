"""What travels on a lane: a frame is a length and a msgpack array of messages, as many as were ready."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A peer that announces more does not speak this protocol."""

_LENGTH = struct.Struct(">I")


class Hello(Struct, frozen=True, array_like=True, tag=0):
    """First message of a caller: proves that Serve gave it the address."""

    token: str


class Submit(Struct, frozen=True, array_like=True, tag=1):
    id: int
    method: str
    timeout_s: float
    """What is left of the caller's deadline when it is sent."""
    payload: bytes


class Cancel(Struct, frozen=True, array_like=True, tag=2):
    id: int


class Credit(Struct, frozen=True, array_like=True, tag=3):
    """The caller read this many more bytes of a request's answer."""

    id: int
    consumed: int


Up = Hello | Submit | Cancel | Credit


class Kind(IntEnum):
    ITEM = 0
    END = 1
    ERROR = 2
    """`PolyvoxError.details()` in msgpack; nothing after it."""


class Answer(Struct, frozen=True, array_like=True):
    id: int
    kind: Kind
    payload: bytes = b""


Message = TypeVar("Message")

_encoder = msgspec.msgpack.Encoder()
ups = msgspec.msgpack.Decoder(list[Up])
answers = msgspec.msgpack.Decoder(list[Answer])
_details = msgspec.msgpack.Decoder(dict[str, Any])


def encode(messages: list[Any]) -> bytes:
    frame = bytearray(4)
    _encoder.encode_into(messages, frame, 4)
    _LENGTH.pack_into(frame, 0, len(frame) - 4)
    return bytes(frame)


def encode_details(details: dict[str, Any]) -> bytes:
    return _encoder.encode(details)


def decode_details(payload: bytes) -> dict[str, Any]:
    return _details.decode(payload)


class Splitter(Generic[Message]):
    """Cuts a byte stream into messages. Raises ValueError where it does not follow the protocol."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[list[Message]]") -> None:
        self._decode = decoder.decode
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        if self._rest:
            data = self._rest + data
        start = 0
        while len(data) - start >= 4:
            (length,) = _LENGTH.unpack_from(data, start)
            if length > MAX_FRAME_BYTES:
                raise ValueError("frame too large")
            end = start + 4 + length
            if end > len(data):
                break
            yield from self._decode(memoryview(data)[start + 4 : end])
            start = end
        self._rest = data[start:]
