"""A batch's file, read line by line without ever holding much of it."""

from collections.abc import AsyncIterable, AsyncIterator
from hashlib import blake2b

from models.batches.batch import Fault
from models.batches.line import Line, read_line
from models.errors import PayloadTooLarge

MAX_LINE_BYTES = 10 * 1024 * 1024
"""As long as a request over HTTP may be."""

MAX_LINES = 50_000
MAX_FAULTS = 100
_BOM = b"\xef\xbb\xbf"


async def lines_of(chunks: AsyncIterable[bytes], *, limit: int = MAX_LINE_BYTES) -> AsyncIterator[bytes]:
    """The lines, without their ends. Raises PayloadTooLarge at one that is longer than `limit`."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        for line in whole:
            if len(line) > limit:
                break
            yield line.removesuffix(b"\r")
        else:
            if len(rest) <= limit:
                continue
        raise PayloadTooLarge(f"a line has more than {limit} bytes")
    if rest:
        yield rest


class LineReader:
    """Reads `lines` as they are asked for; `faults` and `count` are complete at their end.

    Lines after the first fault are checked, but handed out no more.
    """

    def __init__(self, chunks: AsyncIterable[bytes], *, most: int = MAX_LINES) -> None:
        self._chunks = chunks
        self._most = most
        self._known: set[bytes] = set()
        self.faults: list[Fault] = []
        self.count = 0

    async def lines(self) -> AsyncIterator[Line]:
        number = 0
        try:
            async for text in lines_of(self._chunks):
                number += 1
                found = self._read(number, text.removeprefix(_BOM) if number == 1 else text)
                if isinstance(found, Fault):
                    self.faults.append(found)
                elif found is not None and not self.faults:
                    yield found
                if len(self.faults) >= MAX_FAULTS or self.count > self._most:
                    break
        except PayloadTooLarge as error:
            self.faults.append(Fault("line_too_long", error.message, line=number + 1))
        if self.count > self._most:
            self.faults.append(Fault("too_many_tasks", f"a batch has at most {self._most} lines"))
        if not (self.count or self.faults):
            self.faults.append(Fault("empty_file", "there is no line in the file"))

    def _read(self, number: int, text: bytes) -> Line | Fault | None:
        if not text.strip():
            return None
        self.count += 1
        if self.count > self._most:
            return None
        found = read_line(number, text)
        if isinstance(found, Fault):
            return found
        digest = blake2b(found.custom_id.encode(), digest_size=16).digest()
        if digest in self._known:
            message = "another line has this `custom_id`"
            return Fault("duplicate_custom_id", message, line=number, param="custom_id")
        self._known.add(digest)
        return found
