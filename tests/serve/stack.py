"""The whole product on this machine, started with its own command, for tests that need all of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

from deployments.local.home import Home
from deployments.local.processes import members

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Stack:
    """`overrides` change blocks of `serve_config.yaml`, by the deployment's name; `args` its arguments."""

    def __init__(self, *, overrides: dict[str, dict[str, Any]], args: dict[str, Any]) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="pvx", dir="/tmp"))  # a short path, for sockets
        self.home.chmod(0o755)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        [application] = config["applications"]
        application["args"] |= args
        for block in application["deployments"]:
            changes = overrides.get(block["name"], {})
            scaling = block["autoscaling_config"] | changes.pop("autoscaling_config", {})
            block |= changes | {"autoscaling_config": dict(scaling)}
        self._config = self.home / "serve_config.yaml"
        self._config.write_text(yaml.safe_dump(config))

    @property
    def key(self) -> str:
        return (self.home / "admin.key").read_text().strip()

    def up(self) -> None:
        self.polyvox("up", "--detach", "--port", str(self.port), "--config", str(self._config), timeout_s=300)

    def down(self) -> None:
        self.polyvox("down", timeout_s=90)

    def polyvox(self, *arguments: str, timeout_s: float = 60) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "deployments.local.cli", *arguments],
            cwd=ROOT,
            env=os.environ | {"POLYVOX_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The replica processes of a deployment of this stack."""
        mark = f"ServeReplica:polyvox:{deployment}"
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if mark in " ".join(process.info["cmdline"] or []) and self._is_ours(process)
        ]

    def database(self) -> list[psutil.Process]:
        """PostgreSQL's first process, whose death takes the others along."""
        ours = [p for p, role in members(Home.open(self.home)) if role == "postgres"]
        return [p for p in ours if p.ppid() not in {other.pid for other in ours}]

    def kill(self, process: psutil.Process) -> None:
        process.send_signal(signal.SIGKILL)

    def wait_until_ready(self, *, within_s: float) -> None:
        wait_until(lambda: self.status()["state"] == "ready", within_s=within_s)

    def status(self) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "deployments.local.cli", "status", "--json"],
            cwd=ROOT,
            env=os.environ | {"POLYVOX_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def meter(self) -> list[dict[str, Any]]:
        """What the sandbox would have billed, call by call."""
        lines = (self.home / "sandbox-meter.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("POLYVOX_HOME") == str(self.home)
        except psutil.Error:
            return False


def wait_until(true: Any, *, within_s: float, every_s: float = 0.1) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(every_s)
