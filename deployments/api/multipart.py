"""`multipart/form-data` as it comes: no part is ever held whole."""

import asyncio
from collections.abc import AsyncIterator
from email.message import Message
from typing import NamedTuple

from deployments.api.exchange import ClientGone, Receive
from models.errors import DeadlineExceeded, InvalidRequest

MAX_HEADER_BYTES = 16 * 1024
MAX_PARTS = 20
IDLE_S = 60.0
"""How long a client may send nothing."""

_END = b"\r\n\r\n"


class Part(NamedTuple):
    name: str
    filename: str | None
    """None of a field that is no file."""


class Form:
    """Parts are read in their order: what is not read of one is skipped when the next is asked for.

    Raises InvalidRequest for what is no such form, ClientGone, and DeadlineExceeded if nothing comes.
    """

    def __init__(self, content_type: bytes, receive: Receive) -> None:
        named = Message()
        named["content-type"] = content_type.decode("latin-1").replace("\r", " ").replace("\n", " ")
        boundary = named.get_boundary()
        if named.get_content_type() != "multipart/form-data" or not boundary or len(boundary) > 70:
            raise InvalidRequest("the body is to be `multipart/form-data` with a boundary")
        self._boundary = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._receive = receive
        self._more = True
        self._waiting = bytearray(b"\r\n")  # so that the first boundary is as the others
        self._in_part = True
        self._count = 0

    async def next_part(self) -> Part | None:
        async for _ in self.pieces():
            pass
        await self._have(2)
        if self._waiting[:2] == b"--":
            await self._read_off()
            return None
        if self._waiting[:2] != b"\r\n":
            raise InvalidRequest("a boundary of the form does not end its line")
        self._count += 1
        if self._count > MAX_PARTS:
            raise InvalidRequest(f"the form has more than {MAX_PARTS} parts")
        while (at := self._waiting.find(_END)) < 0:
            if len(self._waiting) > MAX_HEADER_BYTES:
                raise InvalidRequest("the headers of a part are too long")
            await self._fill()
        part = _read_head(bytes(self._waiting[:at]))
        del self._waiting[: at + len(_END)]
        self._in_part = True
        return part

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is left of the part, as it comes."""
        while self._in_part:
            at = self._waiting.find(self._boundary)
            # What may be the beginning of a boundary waits for the rest of it.
            whole = at if at >= 0 else len(self._waiting) - len(self._boundary) + 1
            if whole > 0:
                piece = bytes(self._waiting[:whole])
                del self._waiting[:whole]
                yield piece
            if at >= 0:
                del self._waiting[: len(self._boundary)]
                self._in_part = False
            else:
                await self._fill()

    async def text(self, *, limit: int = 1_024) -> str:
        """The part as a short text."""
        found = b""
        async for piece in self.pieces():
            found += piece
            if len(found) > limit:
                raise InvalidRequest(f"a field has more than {limit} bytes")
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise InvalidRequest("a field is not UTF-8") from None

    async def _have(self, size: int) -> None:
        while len(self._waiting) < size:
            await self._fill()

    async def _read_off(self) -> None:
        """What comes after the form, of which there is little."""
        size = len(self._waiting)
        while size <= MAX_HEADER_BYTES:
            if not self._more:
                return
            self._waiting.clear()
            await self._fill()
            size += len(self._waiting)
        raise InvalidRequest("the form is followed by something else")

    async def _fill(self) -> None:
        if not self._more:
            raise InvalidRequest("the form ends in the middle")
        try:
            async with asyncio.timeout(IDLE_S):
                message = await self._receive()
        except TimeoutError:
            raise DeadlineExceeded(f"nothing was sent for {IDLE_S:g} s") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._waiting += message.get("body", b"")
        self._more = message.get("more_body", False)


def _read_head(head: bytes) -> Part:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            said = Message()
            said["content-disposition"] = value.decode("utf-8", "replace").replace("\n", " ").strip()
            field = said.get_param("name", header="content-disposition")
            if isinstance(field, str) and field:
                return Part(field, said.get_filename())
    raise InvalidRequest("a part of the form has no name")
