"""The processes of an instance: started with its mark in their environment, found and ended by it.

The mark is inherited, so it reaches what a child starts in sessions of its own: Ray's daemons and workers,
and HAProxy. No list of process ids has to survive a crash. Some programs write a title over their
environment: Ray's agents are found by the session that they share with those that do not, PostgreSQL's
backends by the directory that they work in.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from deployments.local.home import Home
from deployments.local.unprivileged import Account, data_root

INSTANCE = "POLYVOX_INSTANCE"
ROLE = "POLYVOX_ROLE"

Role = Literal["postgres", "valkey", "sandbox", "ray", "supervisor"]

_PR_SET_PDEATHSIG = 1
_MAX_LOG_BYTES = 20_000_000
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Command:
    """How one program of the stack is started."""

    role: Role
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str]
    cwd: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    """Ends it in order, and is what the kernel sends it when the supervisor dies (Linux)."""


async def start(command: Command, *, instance: str, stdin: int | None = None) -> asyncio.subprocess.Process:
    """Start a program in a session of its own, so that Ctrl-C reaches the supervisor alone."""
    _rotate(command.log)
    account = command.account
    with command.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
            stdout=log,
            stderr=log,
            cwd=command.cwd,
            env={**command.env, INSTANCE: instance, ROLE: command.role},
            start_new_session=True,
            preexec_fn=_die_with_parent(command.stop_signal),
            **({} if account is None else account.spawn_arguments()),
        )


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)

    return ask_kernel


def _rotate(log: Path) -> None:
    with suppress(FileNotFoundError):
        if log.stat().st_size > _MAX_LOG_BYTES:
            log.replace(log.with_suffix(".previous.log"))


async def stop(process: asyncio.subprocess.Process, stop_signal: signal.Signals, *, within_s: float) -> None:
    """End one program in order, or by force when it takes too long."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def members(home: Home, roles: Container[Role] | None = None) -> list[tuple[psutil.Process, str]]:
    """Every living process of the instance, with its role; never the caller or what started it."""
    seen = list(_all_processes(home))
    spared = _caller_and_ancestors()
    sessions = {session: role for _process, session, role in seen if role and session != os.getsid(0)}
    found = []
    for process, session, own_role in seen:
        role = own_role or sessions.get(session)
        if role and process.pid not in spared and (roles is None or role in roles):
            found.append((process, role))
    return found


def _all_processes(home: Home) -> Iterator[tuple[psutil.Process, int, str | None]]:
    """What runs on this machine: session and, where it can be read, role in this instance."""
    cluster = str(data_root(home, Account.for_servers()) / "postgres")
    for process in psutil.process_iter():
        # A process may end, or belong to somebody else, between being listed and being read.
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process, os.getsid(process.pid), _role(process, home.instance, cluster)


def _role(process: psutil.Process, instance: str, cluster: str) -> str | None:
    if process.name() == "postgres" and process.cwd() == cluster:
        return "postgres"
    environ = process.environ()
    return environ.get(ROLE, "other") if environ.get(INSTANCE) == instance else None


def _caller_and_ancestors() -> set[int]:
    with suppress(psutil.Error):
        return {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    return {os.getpid()}


def sweep(home: Home, roles: Container[Role] | None = None, *, grace_s: float = 5.0) -> int:
    """End every process of the instance and say how many there were: in order first, then by force.

    PostgreSQL's postmaster gets SIGINT, its fast shutdown. What a dying process still managed to start is
    found by looking again.
    """
    found = members(home, roles)
    for process, role in found:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGINT if role == "postgres" else signal.SIGTERM)
    await_end([process for process, _role in found], within_s=grace_s)
    while remaining := [process for process, _role in members(home, roles)]:
        for process in remaining:
            with suppress(psutil.Error):
                process.kill()
        await_end(remaining, within_s=1)
    return len(found)


def await_end(processes: Iterable[psutil.Process], *, within_s: float) -> None:
    """Wait for their end without collecting their status: they may be children whose parent wants it."""
    deadline = time.monotonic() + within_s
    for process in processes:
        with suppress(psutil.Error):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    return
                time.sleep(_LOOK_EVERY_S)


def orphaned_proxies(port: int) -> list[psutil.Process]:
    """HAProxy processes of a Ray that is gone which still hold a port: `ray stop --force` leaves them behind.

    They would go on serving an old configuration on the port of the new start.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() != "haproxy" or process.ppid() != 1:
                continue
            connections = process.net_connections(kind="tcp")
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
                found.append(process)
    return found
