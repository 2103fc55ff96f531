"""The simulated providers as a program of the stack."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.local.home import REPOSITORY, Home
from deployments.local.ports import LOOPBACK
from deployments.local.processes import Command


@dataclass(frozen=True)
class Sandbox:
    home: Home
    port: int
    name: str = "sandbox"
    ready_within_s: float = 60.0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def prepare(self) -> Command:
        meter = self.home.path / "sandbox-meter.jsonl"
        arguments = ["--host", LOOPBACK, "--port", str(self.port), "--meter", str(meter)]
        return Command(
            role="sandbox",
            argv=[sys.executable, "-m", "deployments.sandbox", *arguments],
            log=self.home.logs / "sandbox.log",
            env=with_repository(os.environ),
            cwd=REPOSITORY,
        )

    async def answers(self) -> bool:
        try:
            _reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        return True


def with_repository(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which `models` and `deployments` are this repository's."""
    path = environ.get("PYTHONPATH")
    return {**environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{path}" if path else str(REPOSITORY)}
