"""Open-loop stream load in a process of its own: reads a `Plan` on stdin, writes a `StreamLoad` to stdout.

Starts are due at fixed times whatever the target does; time to first content counts from the due time.
"""

import gc
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from time import monotonic, process_time
from typing import Self

import msgspec

from tests.bench.exchange import Pacing, Target, chat_body, http_request
from tests.bench.programs import ROOT
from tests.bench.stream_client import Ending, StreamClient

_RECEIVE_BYTES = 4_096


@dataclass(frozen=True)
class Plan:
    target: Target
    pacing: Pacing
    streams: int
    spread_s: float
    """The starts are evenly spread over this time."""
    deadline_s: float
    """What is still open this long after the run's start is cut off."""
    precision_s: float = 0.001
    """Pause between two looks at the sockets: many chunks cost one wake-up, each seen this late at most."""


@dataclass(frozen=True)
class Stream:
    """Times in seconds; `due_s` and `ended_s` from the start of the run, `first_s` from `due_s`."""

    due_s: float
    first_s: float | None
    longest_gap_s: float
    chunks: int
    ended_s: float
    ending: Ending
    detail: str = ""


@dataclass(frozen=True)
class StreamLoad:
    streams: list[Stream]
    cpu_us_per_chunk: float
    """What the generator itself spent, everything included."""
    worst_lag_s: float
    """Longest time that the generator itself kept a chunk waiting: a gap up to this size may be its own."""


class GeneratorFailed(RuntimeError):
    """The load was not made; nothing is known of the target."""


class Generator:
    """The process that makes the load."""

    def __init__(self, plan: Plan) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `__exit__`)
        command = [sys.executable, "-m", "tests.bench.stream_load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self._output, cwd=ROOT)
        assert self._process.stdin is not None
        with self._process.stdin as stdin:
            stdin.write(msgspec.json.encode(plan))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._output.close()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def result(self) -> StreamLoad:
        """Waits for the end of the run, which the plan's deadline bounds."""
        if self._process.wait() != 0:
            raise GeneratorFailed(f"the stream generator ended with status {self._process.returncode}")
        self._output.seek(0)
        return msgspec.json.decode(self._output.read(), type=StreamLoad)


def load(plan: Plan) -> StreamLoad:
    run = _Run(plan)
    cpu_before = process_time()
    run.to_the_end()
    cpu = process_time() - cpu_before
    return StreamLoad(
        streams=[_record(client, run.began) for client in run.clients],
        cpu_us_per_chunk=cpu / max(sum(client.chunks for client in run.clients), 1) * 1e6,
        worst_lag_s=run.worst_lag_s,
    )


class _Run:
    """A bare epoll loop: with ten thousand chunks a second, every object and wake-up would show."""

    def __init__(self, plan: Plan) -> None:
        self._address = plan.target.address
        self._request = http_request(
            plan.target, chat_body(plan.target.model, pacing=plan.pacing, stream=True)
        )
        self._precision_s = plan.precision_s
        self._poller = select.epoll()
        self._open: dict[int, tuple[socket.socket, StreamClient]] = {}
        self.began = monotonic() + 0.1
        self._cut_off_at = self.began + plan.deadline_s
        interval = plan.spread_s / plan.streams
        self.clients = [StreamClient(due=self.began + n * interval) for n in range(plan.streams)]
        self._waiting = deque(self.clients)
        self.worst_lag_s = 0.0

    def to_the_end(self) -> None:
        now = monotonic()
        while (self._open or self._waiting) and now < self._cut_off_at:
            time.sleep(self._precision_s)
            looked = monotonic()
            self._start_what_is_due(looked)
            for descriptor, events in self._poller.poll(0):
                self._serve(descriptor, events, looked)
            self.worst_lag_s = max(self.worst_lag_s, looked - now - self._precision_s)
            now = monotonic()
            self.worst_lag_s = max(self.worst_lag_s, now - looked)
        for connection, client in self._open.values():
            client.end("cut_off", now)
            connection.close()
        for client in self._waiting:
            client.end("cut_off", now)
        self._poller.close()

    def _start_what_is_due(self, now: float) -> None:
        while self._waiting and self._waiting[0].due <= now:
            client = self._waiting.popleft()
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(self._address)
            self._open[connection.fileno()] = connection, client
            self._poller.register(connection.fileno(), select.EPOLLOUT)

    def _serve(self, descriptor: int, events: int, now: float) -> None:
        connection, client = self._open[descriptor]
        try:
            if events & select.EPOLLOUT:
                connection.sendall(self._request)
                self._poller.modify(descriptor, select.EPOLLIN)
            elif data := connection.recv(_RECEIVE_BYTES):
                client.feed(data, now)
            else:
                client.end("truncated", now, "connection closed")
        except OSError as error:
            client.end("truncated" if client.chunks else "unreachable", now, str(error))
        if client.ended_at is not None:
            del self._open[descriptor]
            connection.close()


def _record(client: StreamClient, began: float) -> Stream:
    assert client.ended_at is not None
    return Stream(
        due_s=client.due - began,
        first_s=None if client.first is None else client.first - client.due,
        longest_gap_s=client.longest_gap,
        chunks=client.chunks,
        ended_s=client.ended_at - began,
        ending=client.ending,
        detail=client.detail,
    )


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()
    sys.stdout.buffer.write(msgspec.json.encode(load(plan)))


if __name__ == "__main__":
    main()
