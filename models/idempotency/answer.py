"""An answer as it was sent, and what is overheard of one while it is."""

from msgspec import Struct

MAX_ANSWER_BYTES = 1024 * 1024
MAX_OVERHEARD_BYTES = 256 * 1024 * 1024
"""Of all answers that are under way in this process: beyond that they are not kept."""


class KeptAnswer(Struct, frozen=True, array_like=True):
    """`headers` are those of the answer proper. A stream has no length until it is over."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_stream: bool


class Overheard:
    """How much is being kept of answers under way; shared by all of a process."""

    def __init__(self, *, most_bytes: int = MAX_OVERHEARD_BYTES) -> None:
        self._most_bytes = most_bytes
        self.bytes = 0

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more; they are taken then."""
        if self.bytes + size > self._most_bytes:
            return False
        self.bytes += size
        return True


class Recording:
    """The parts of one body, up to a bound. Closed, it holds nothing any more."""

    def __init__(self, overheard: Overheard, *, most_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._overheard = overheard
        self._most_bytes = most_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self.is_whole = True
        """False once it was too much."""

    def add(self, part: bytes) -> None:
        if not (self.is_whole and part):
            return
        if self._size + len(part) > self._most_bytes or not self._overheard.take(len(part)):
            self.close()
            self.is_whole = False
            return
        self._parts.append(part)
        self._size += len(part)

    def body(self) -> bytes | None:
        return b"".join(self._parts) if self.is_whole else None

    def close(self) -> None:
        self._overheard.bytes -= self._size
        self._parts.clear()
        self._size = 0
