"""Keeps one program of the stack running: start, wait for its first answer, start again when it dies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from deployments.local.home import Home
from deployments.local.processes import Command, start, stop, sweep
from deployments.local.service import Service, ServiceFailed

_PROBE_EVERY_S = 0.03
_DEATHS_ALLOWED = 5
_WITHIN_S = 60.0


class Keeper:
    def __init__(self, service: Service, *, home: Home, say: Callable[[str], None]) -> None:
        self.service = service
        self._home = home
        self._say = say
        self._command: Command | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._deaths: deque[float] = deque(maxlen=_DEATHS_ALLOWED)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the program and wait until it answers."""
        self._command = await self.service.prepare()
        self._process = await start(self._command, instance=self._home.instance)
        await self._until_ready(self._process)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.service.ready_within_s
        while not await self.service.answers():
            if process.returncode is not None:
                raise self._failure(f"ended with status {process.returncode} before it was ready")
            if clock() > deadline:
                raise self._failure(f"was not ready within {self.service.ready_within_s:.0f} s")
            await asyncio.sleep(_PROBE_EVERY_S)

    def _failure(self, what: str) -> ServiceFailed:
        log = None if self._command is None else self._command.log
        return ServiceFailed(f"{self.service.name} {what}", log=log)

    async def keep(self) -> None:
        """Start the program again whenever it ends. Returns never; raises when it keeps on dying."""
        while self._process is not None and self._command is not None:
            status = await self._process.wait()
            self._note_death()
            self._say(f"{self.service.name} ended (status {status}): starting it again")
            # What it started may still hold its port, its socket or its shared memory.
            await asyncio.to_thread(sweep, self._home, {self._command.role})
            await self.start()
            self._say(f"{self.service.name} is back")

    def _note_death(self) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._deaths) == _DEATHS_ALLOWED and now - self._deaths[0] < _WITHIN_S:
            raise self._failure(f"ended {_DEATHS_ALLOWED + 1} times within {_WITHIN_S:.0f} s")
        self._deaths.append(now)

    async def stop(self, *, within_s: float = 10.0) -> None:
        if self._process is not None and self._command is not None:
            await stop(self._process, self._command.stop_signal, within_s=within_s)
