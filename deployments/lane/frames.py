"""What travels on a lane: a frame is a length and a msgpack array of messages, as many as were ready."""

import struct
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A peer that announces more does not speak this protocol."""

MAX_PAYLOAD_BYTES = 24 * 1024 * 1024

_FRAME_BYTES = 256 * 1024
"""Where a frame is cut; a message larger than this travels alone."""

_LENGTH = struct.Struct(">I")


class Hello(Struct, frozen=True, array_like=True, tag=0):
    """First message of a caller: proves that Serve gave it the address."""

    payload: ClassVar[bytes] = b""
    token: str


class Submit(Struct, frozen=True, array_like=True, tag=1):
    id: int
    method: str
    timeout_s: float
    """What is left of the caller's deadline when it is sent."""
    payload: bytes


class Cancel(Struct, frozen=True, array_like=True, tag=2, omit_defaults=True):
    payload: ClassVar[bytes] = b""
    id: int
    softly: bool = False
    """The caller waits for the end: what there is to say until then is still said."""


class Credit(Struct, frozen=True, array_like=True, tag=3):
    """The caller read this many more bytes of a request's answer."""

    payload: ClassVar[bytes] = b""
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


WELCOME = Answer(0, Kind.END)
"""Answers a `Hello`: this side knows the caller and listens. No request has its id."""


Message = TypeVar("Message")

_encoder = msgspec.msgpack.Encoder()
ups = msgspec.msgpack.Decoder(list[Up])
answers = msgspec.msgpack.Decoder(list[Answer])
_details = msgspec.msgpack.Decoder(dict[str, Any])


def take(pending: deque[Any]) -> list[Any]:
    """The messages of the next frame, at least one."""
    messages = [pending.popleft()]
    size = len(messages[0].payload)
    while pending:
        size += len(pending[0].payload)
        if size > _FRAME_BYTES:
            break
        messages.append(pending.popleft())
    return messages


def encode(messages: list[Any]) -> bytearray:
    frame = bytearray(4)
    _encoder.encode_into(messages, frame, 4)
    _LENGTH.pack_into(frame, 0, len(frame) - 4)
    return frame


def encode_details(details: dict[str, Any]) -> bytes:
    return _encoder.encode(details)


def decode_details(payload: bytes) -> dict[str, Any]:
    return _details.decode(payload)


class Splitter(Generic[Message]):
    """Cuts a byte stream into messages. Raises ValueError where it does not follow the protocol."""

    def __init__(
        self, decoder: "msgspec.msgpack.Decoder[list[Message]]", *, max_frame_bytes: int = MAX_FRAME_BYTES
    ) -> None:
        self.max_frame_bytes = max_frame_bytes
        self._decode = decoder.decode
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= 4:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > self.max_frame_bytes:
                raise ValueError("frame too large")
            end = start + 4 + length
            if end > len(buffer):
                break
            with memoryview(buffer) as view, view[start + 4 : end] as frame:
                messages = self._decode(frame)
            yield from messages
            start = end
        del buffer[:start]
