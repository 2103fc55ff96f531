"""`polyvox up` and `down`, with the smallest application in place of the gateway.

Three starts of Ray in all: the first by the fixture, the second by the supervisor after a daemon was
killed, the third after the supervisor itself was killed.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments.local.home import REPOSITORY, Home
from deployments.local.processes import members

CONFIG = Path(__file__).with_name("serve_config.yaml")
READY_WITHIN_S = 150
KEY = "a-key-that-no-argument-may-show"


class Stack:
    def __init__(self, home: Home, port: int) -> None:
        self.home = home
        self.port = port
        self.output = home.path / "output.txt"
        self.process = self.up()

    def polyvox(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployments.local.cli", *arguments],
            **self._context(),
            capture_output=True,
            text=True,
            timeout=READY_WITHIN_S,
        )

    def up(self) -> subprocess.Popen[bytes]:
        """Starts it in the foreground and waits for the line that says it is ready."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "deployments.local.cli", "up"),
                    *("--config", str(CONFIG), "--port", str(self.port)),
                ],
                **self._context(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: self.says(f"polyvox ready http://127.0.0.1:{self.port}"), self.process)
        return self.process

    def _context(self) -> dict[str, Any]:
        unwanted = ("POLYVOX_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "RAY_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        environ = {**clean, "POLYVOX_HOME": str(self.home.path), "OPENAI_API_KEY": KEY}
        return {"env": environ, "cwd": REPOSITORY}

    def says(self, line: str) -> bool:
        return line in self.output.read_text().splitlines()

    def get(self, path: str = "/readyz", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()}
            )
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.get()[0] == 200
        return False

    def process_of(self, name: str) -> psutil.Process:
        return next(p for p, _role in members(self.home) if p.name().startswith(name) and p.ppid() != 1)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        assert process is None or process.poll() is None, "it ended"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def stack(home: Home) -> Iterator[Stack]:
    stack = Stack(home, free_port())
    yield stack
    if stack.process.poll() is None:
        stack.process.terminate()
        stack.process.wait(60)


def test_the_first_start_leaves_an_admin_key_that_only_its_owner_reads(stack: Stack) -> None:
    assert stack.home.admin_key.stat().st_mode & 0o777 == 0o600
    listed = json.loads(stack.polyvox("keys", "list", "--json").stdout)
    assert [key["roles"] for key in listed] == [["admin"]]


def test_status_says_what_runs_and_what_is_simulated(stack: Stack) -> None:
    found = json.loads(stack.polyvox("status", "--json").stdout)
    assert found["state"] == "ready"
    assert found["url"] == f"http://127.0.0.1:{stack.port}"
    assert set(found["processes"]) == {"postgres", "valkey", "sandbox", "ray"}
    assert found["simulated"] == ["anthropic", "google"]


def test_keys_are_made_with_a_budget_listed_and_revoked(stack: Stack) -> None:
    made = json.loads(stack.polyvox("keys", "create", "--user", "u", "--budget-usd", "2.5", "--json").stdout)
    assert made["key"].startswith("pvx_")
    assert made["budget_usd"] == "2.5"
    assert stack.polyvox("keys", "revoke", made["id"]).returncode == 0
    listed = {key["id"]: key for key in json.loads(stack.polyvox("keys", "list", "--json").stdout)}
    assert listed[made["id"]]["revoked_at"]
    assert "key" not in listed[made["id"]]
    assert stack.polyvox("keys", "revoke", "nobody").returncode == 1


def test_a_second_up_from_the_same_home_is_refused(stack: Stack) -> None:
    refused = stack.polyvox("up", "--config", str(CONFIG))
    assert refused.returncode == 1
    assert "already running" in refused.stderr
    assert stack.answers()


def test_only_loopback_is_listened_on(stack: Stack) -> None:
    """But for Serve's server between replicas: there is no setting for it, and it asks for a token."""
    foreign = set()
    for process, _role in members(stack.home):
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN and "127.0.0.1" not in connection.laddr.ip:
                    foreign.add(process.name().partition(":Gateway")[0][:15])
    assert foreign <= {"ray::ServeRepli"}


def test_no_argument_shows_a_secret(stack: Stack) -> None:
    secrets = {stack.home.secret(name) for name in ("postgres", "valkey", "ray")} | {KEY}
    for process, _role in members(stack.home):
        with suppress(psutil.NoSuchProcess):
            arguments = " ".join(process.cmdline())
            assert not any(secret in arguments for secret in secrets)


def test_the_proxy_strips_what_would_steer_serve_and_says_who_asks(stack: Stack) -> None:
    status, seen = stack.get(
        x_request_timeout_seconds="0.000001", x_request_disconnect_disabled="1", x_forwarded_for="6.6.6.6"
    )
    assert status == 200
    assert "x-request-timeout-seconds" not in seen
    assert "x-request-disconnect-disabled: 1" not in seen
    assert "x-forwarded-for: 127.0.0.1" in seen


def _names(stack: Stack) -> set[str]:
    """Of the processes that there are; some end while they are looked at."""
    found = set()
    for process, _ in members(stack.home):
        with suppress(psutil.Error):
            found.add(process.name())
    return found


@pytest.mark.parametrize("name", ["valkey-server", "postgres", "haproxy"])
def test_what_is_killed_comes_back_while_the_rest_goes_on(stack: Stack, name: str) -> None:
    victim = stack.process_of(name)
    victim.kill()
    wait_until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE)
    wait_until(lambda: name in _names(stack) and stack.answers())
    assert stack.process.poll() is None


def test_a_killed_daemon_of_ray_brings_ray_up_again(stack: Stack) -> None:
    stack.process_of("raylet").kill()
    wait_until(lambda: stack.says("ray is back"), stack.process)
    assert stack.answers()


def test_a_start_after_the_supervisor_was_killed_ends_what_it_left(stack: Stack) -> None:
    stack.process.kill()
    stack.process.wait()
    stack.up()
    assert stack.answers()


def test_down_leaves_no_process_and_no_port(stack: Stack) -> None:
    ports = {stack.port, *stack.home.read("ports.json").values()}
    left = stack.polyvox("down")
    assert left.stdout == "polyvox is down\n"
    assert stack.process.wait(10) == 0
    assert members(stack.home) == []
    listening = (c.laddr for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN)
    taken = {address.port for address in listening if address}
    assert not ports & taken
    assert stack.polyvox("status").returncode == 3
    assert stack.polyvox("down").stdout == "polyvox was not running\n"


def test_ctrl_c_during_a_start_leaves_nothing(stack: Stack) -> None:
    with stack.output.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.local.cli", "up", "--config", str(CONFIG)],
            **stack._context(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_until(lambda: bool(members(stack.home, {"postgres"})), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert members(stack.home) == []
