"""What calls cost while the ledger cannot be reached: on this machine's disk, told when it is back.

A process appends to a file of its own and holds a lock on it. Files that nobody holds were left by a process
that died: whoever finds one takes it over. A line may be told twice, which changes nothing.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from models.errors import Internal, Overloaded
from models.ledger.usage import UsageRecord

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024 * 1024
_TOLD_AT_ONCE = 64

_encode = msgspec.json.Encoder().encode
_record = msgspec.json.Decoder(UsageRecord)


class Outbox:
    """All methods belong to one event loop; disks are waited for in threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: _Segment | None = None
        self._closed: list[_Segment] = []
        """Full of what has yet to be told."""
        self._lines: list[bytes] = []
        self._written: asyncio.Future[None] | None = None
        """Of the lines that wait for the next write."""
        self._writer: asyncio.Task[None] | None = None

    async def append(self, record: UsageRecord) -> None:
        """Returns once it is on disk. Raises Overloaded if the disk takes no more."""
        self._lines.append(_encode(record) + b"\n")
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await asyncio.shield(written)

    async def tell(self, settle: Callable[[UsageRecord], Awaitable[None]]) -> int:
        """Hand over what is kept, this process's and what others left; returns how many records were taken.

        Ends with the first error of `settle`; what was not taken is kept. A record that is refused for good
        (Internal) is set aside in a file that nobody reads but people.
        """
        self._closed += await asyncio.to_thread(self._orphans)
        if self._open is not None and self._writer is None:
            self._closed.append(self._open)
            self._open = None
        told = 0
        while self._closed:
            segment = self._closed[0]
            for lines in await asyncio.to_thread(lambda of: list(of.batches()), segment):
                await asyncio.gather(*(self._tell(line, settle) for line in lines))
                told += len(lines)
            await asyncio.to_thread(segment.delete)
            del self._closed[0]
        return told

    def close(self) -> None:
        """Let go of the files: another process will tell what is in them."""
        for segment in filter(None, [self._open, *self._closed]):
            segment.close()
        self._open, self._closed = None, []

    async def _tell(self, line: bytes, settle: Callable[[UsageRecord], Awaitable[None]]) -> None:
        try:
            await settle(_record.decode(line))
        except (Internal, msgspec.MsgspecError) as error:
            log.error("a record is refused for good, and set aside: %s", error)
            await asyncio.to_thread(self._set_aside, line)

    def _set_aside(self, line: bytes) -> None:
        with (self._directory / "refused.jsonl").open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    async def _write(self) -> None:
        try:
            while self._lines:
                lines, self._lines = self._lines, []
                written, self._written = self._written, None
                assert written is not None
                try:
                    await asyncio.to_thread(self._write_all, b"".join(lines))
                except OSError as error:
                    log.error("the outbox cannot be written: %s", error)
                    written.set_exception(Overloaded("neither the ledger nor the outbox takes a record now"))
                    written.exception()  # whoever waits hears of it; nobody may wait any more
                else:
                    written.set_result(None)
        finally:
            self._writer = None

    def _write_all(self, data: bytes) -> None:
        if self._open is None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._open = _Segment.create(self._directory)
        self._open.write(data)

    def _orphans(self) -> list["_Segment"]:
        ours = {segment.path for segment in (self._open, *self._closed) if segment is not None}
        found = [p for p in self._directory.glob("*.outbox") if p not in ours]
        return [segment for path in sorted(found) if (segment := _Segment.adopt(path)) is not None]


class _Segment:
    """A file of lines, locked by this process."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def create(cls, directory: Path) -> "_Segment":
        path = directory / f"{os.getpid()}-{os.urandom(6).hex()}.outbox"
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        _sync(directory)
        return cls(path, fd)

    @classmethod
    def adopt(cls, path: Path) -> "_Segment | None":
        """None while its process lives, or once somebody else is done with it."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if os.fstat(fd).st_nlink == 0:
            os.close(fd)
            return None
        return cls(path, fd)

    def write(self, data: bytes) -> None:
        if os.fstat(self._fd).st_size + len(data) > MAX_BYTES:
            raise OSError(f"{self.path.name} is full")
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        os.fdatasync(self._fd)

    def batches(self) -> Iterator[list[bytes]]:
        """Whole lines; one that was cut off had not been promised to anybody."""
        with open(self._fd, "rb", closefd=False) as file:
            file.seek(0)
            lines = [line[:-1] for line in file if line.endswith(b"\n")]
        for start in range(0, len(lines), _TOLD_AT_ONCE):
            yield lines[start : start + _TOLD_AT_ONCE]

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        os.close(self._fd)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
