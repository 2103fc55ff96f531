"""What the supervisor needs to know of a program that it keeps running."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from deployments.local.processes import Command


class ServiceFailed(RuntimeError):
    """A program of the stack did not start, or answered that it never will."""

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
        """Where its last words stand."""


class Service(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def ready_within_s(self) -> float: ...

    async def prepare(self) -> Command:
        """Do what has to be done before each start (nothing of it runs then) and say how to start."""

    async def answers(self) -> bool:
        """Whether it serves now. Raises `ServiceFailed` where waiting longer is in vain."""
