"""Every process of an instance is found by the mark in its environment, and ended."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from deployments.local.home import Home
from deployments.local.processes import Command, Role, members, start, stop, sweep

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
WITH_CHILD_IN_OTHER_SESSION = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    home = Home.open(tmp_path / "home")
    yield home
    await asyncio.to_thread(sweep, home, grace_s=0.1)


async def started(home: Home, code: str, role: Role = "sandbox") -> asyncio.subprocess.Process:
    command = Command(
        role=role, argv=[sys.executable, "-c", code], log=home.logs / f"{role}.log", env={}, cwd=home.path
    )
    process = await start(command, instance=home.instance)
    async with asyncio.timeout(10):
        while "up" not in command.log.read_text():
            await asyncio.sleep(0.01)
    return process


async def test_what_a_process_starts_in_a_session_of_its_own_is_ended_with_it(home: Home) -> None:
    await started(home, WITH_CHILD_IN_OTHER_SESSION)
    assert len(members(home)) == 2
    assert await asyncio.to_thread(sweep, home) == 2
    assert members(home) == []


async def test_what_ignores_the_order_is_ended_by_force(home: Home) -> None:
    process = await started(home, STUBBORN)
    await asyncio.to_thread(sweep, home, grace_s=0.1)
    assert await process.wait() == -signal.SIGKILL


async def test_only_the_named_roles_are_ended(home: Home) -> None:
    await started(home, STUBBORN, "ray")
    await started(home, STUBBORN, "valkey")
    await asyncio.to_thread(sweep, home, {"ray"}, grace_s=0.1)
    assert [role for _process, role in members(home)] == ["valkey"]


async def test_another_instance_is_left_alone(home: Home, tmp_path: Path) -> None:
    process = await started(home, STUBBORN)
    assert await asyncio.to_thread(sweep, Home.open(tmp_path / "other")) == 0
    assert process.returncode is None


async def test_the_caller_is_spared_even_when_it_carries_the_mark(home: Home) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from deployments.local.home import Home
from deployments.local.processes import sweep
print(sweep(Home.open({str(home.path)!r})))
"""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env={**os.environ, "POLYVOX_INSTANCE": home.instance},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"0\n")


async def test_a_stopped_process_is_gone_even_if_it_will_not(home: Home) -> None:
    process = await started(home, STUBBORN)
    await stop(process, signal.SIGTERM, within_s=0.1)
    assert not psutil.pid_exists(process.pid)
