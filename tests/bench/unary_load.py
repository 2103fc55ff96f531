"""Closed-loop unary load: `wrk` where it is installed, else a plain epoll loop of our own.

`python -m tests.bench.unary_load` is that loop: reads a `UnaryPlan` on stdin, writes a `UnaryLoad` to stdout.
"""

import gc
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Any

import httptools
import msgspec

from tests.bench.exchange import Target, chat_body, http_request
from tests.bench.figures import quantile
from tests.bench.programs import ROOT

_LUA = Path(__file__).with_name("unary.lua")
_TIMEOUT_S = 30


@dataclass(frozen=True)
class UnaryPlan:
    target: Target
    connections: int
    seconds: float
    bodies: Path | None = None
    """A file of bodies that are sent in turn, a line each; without it all requests are the same."""

    def each(self) -> list[bytes]:
        return (
            [chat_body(self.target.model)] if self.bodies is None else self.bodies.read_bytes().splitlines()
        )


@dataclass(frozen=True)
class UnaryLoad:
    requests: int
    seconds: float
    p50_s: float
    p99_s: float
    failed: int
    """Answers with another status than 200, and broken connections."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def run(plan: UnaryPlan) -> UnaryLoad:
    probe(plan.target)
    return _with_wrk(plan) if shutil.which("wrk") else _with_own_loop(plan)


def probe(target: Target) -> None:
    """One call whose answer is read: the load itself only looks at statuses."""
    body = chat_body(target.model)
    request = urllib.request.Request(target.url, body, target.all_headers())  # noqa: S310 (loopback only)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        completion: dict[str, Any] = json.load(answer)
    if not completion["choices"][0]["message"]["content"] or not completion["usage"]["completion_tokens"]:
        raise ValueError(f"{target.name} answered without content or usage")


def _with_wrk(plan: UnaryPlan) -> UnaryLoad:
    headers = "\n".join(f"{name}: {value}" for name, value in plan.target.all_headers().items())
    with tempfile.NamedTemporaryFile(suffix=".json") as body:
        body.write(b"\n".join(plan.each()))
        body.flush()
        command = ["wrk", "-t1", f"-c{plan.connections}", f"-d{plan.seconds:g}s", f"--timeout={_TIMEOUT_S}s"]
        output = subprocess.run(
            [*command, f"--script={_LUA}", plan.target.url],
            env={**os.environ, "BENCH_BODY": body.name, "BENCH_HEADERS": headers},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    return msgspec.json.decode(output.splitlines()[-1], type=UnaryLoad)


def _with_own_loop(plan: UnaryPlan) -> UnaryLoad:
    command = [sys.executable, "-m", "tests.bench.unary_load"]
    plan_json = msgspec.json.encode(plan, enc_hook=str)
    output = subprocess.run(command, input=plan_json, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    return msgspec.json.decode(output.stdout, type=UnaryLoad)


class _Caller:
    """One connection: the next request leaves when the last is answered."""

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self._socket = socket.create_connection(address, timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._parser = httptools.HttpResponseParser(self)
        self._answered = False
        self._sent = 0.0
        self.descriptor = self._socket.fileno()
        self.latencies: list[float] = []
        self.failed = 0

    def send(self) -> None:
        self._answered, self._sent = False, monotonic()
        self._socket.sendall(next(self._requests))

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> None:
        """Raises ConnectionError where the other side is gone: nothing is measured on after that."""
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the target closed a connection under load")
        self._parser.feed_data(data)
        if self._answered:
            self.latencies.append(monotonic() - self._sent)
            self._parser = httptools.HttpResponseParser(self)
            self.send()

    def on_message_complete(self) -> None:
        self._answered = True
        self.failed += self._parser.get_status_code() != 200


def load(plan: UnaryPlan) -> UnaryLoad:
    requests = cycle([http_request(plan.target, body) for body in plan.each()])
    callers = [_Caller(plan.target.address, requests) for _ in range(plan.connections)]
    by_descriptor = {caller.descriptor: caller for caller in callers}
    poller = select.epoll()
    began = monotonic()
    for caller in callers:
        poller.register(caller.descriptor, select.EPOLLIN)
        caller.send()
    while monotonic() < began + plan.seconds:
        for descriptor, _ in poller.poll(0.1):
            by_descriptor[descriptor].receive()
    seconds = monotonic() - began
    poller.close()
    for caller in callers:
        caller.close()
    latencies = sorted(latency for caller in callers for latency in caller.latencies)
    return UnaryLoad(
        requests=len(latencies),
        seconds=seconds,
        p50_s=quantile(latencies, 0.5),
        p99_s=quantile(latencies, 0.99),
        failed=sum(caller.failed for caller in callers),
    )


def main() -> None:
    gc.disable()
    plan = msgspec.json.decode(
        sys.stdin.buffer.read(), type=UnaryPlan, dec_hook=lambda kind, said: kind(said)
    )
    sys.stdout.buffer.write(msgspec.json.encode(load(plan)))


if __name__ == "__main__":
    main()
