"""What the providers would bill: one JSON line a call, appended and fsync'd in groups by a thread of its own.

The oracle that the gateway's ledger is compared with. A crash loses at most one group (20 ms). Input counts
are disjoint (`input_tokens` are those that no cache served or stored), `reasoning_tokens` are a part of
`output_tokens`, `cache_write_1h_tokens` of `cache_write_tokens`.
"""

import os
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path

import msgspec

from deployments.sandbox.line import Endpoint, Line
from deployments.sandbox.tally import Follower, Tally

__all__ = ["Endpoint", "Line", "Meter"]

GROUP_S = 0.01
"""Pause between two groups; with the write itself a line waits less than 20 ms."""


class Meter:
    """`record` never waits; `close` returns when everything is on disk. Without a path it only counts."""

    def __init__(self, path: Path | None) -> None:
        self.calls = 0
        self.failed = False
        self._lines: deque[Line] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._tally = Tally()
        self._follower: Follower | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self._follower = Follower(path)
            self._thread = threading.Thread(target=self._write_groups, args=(fd,), name="meter", daemon=True)
            self._thread.start()

    def record(self, line: Line) -> None:
        self.calls += 1
        if self._thread is not None:
            self._lines.append(line)
            self._wake.set()
        else:
            self._tally.add(line)

    def tally(self) -> Tally:
        """What was billed so far; with a path, by every process that writes to it."""
        if self._follower is None:
            return self._tally
        self._follower.catch_up()
        return self._follower.tally

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _write_groups(self, fd: int) -> None:
        encoder = msgspec.json.Encoder()
        try:
            while not self._closing or self._lines:
                self._wake.wait()
                self._wake.clear()
                group = [self._lines.popleft() for _ in range(len(self._lines))]
                if group:
                    _write_all(fd, encoder.encode_lines(group))
                    os.fsync(fd)
                if not self._closing:
                    time.sleep(GROUP_S)
        except OSError as error:
            # An oracle that misses lines is worse than none: end the whole server.
            self.failed = True
            print(f"sandbox: meter: {error}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
