"""`polyvox up`: everything from nothing to a gateway that answers, kept running until somebody ends it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

import psutil

from deployments.local.access import prepare_database
from deployments.local.home import Home
from deployments.local.keeper import Keeper
from deployments.local.plan import Plan
from deployments.local.ports import is_free
from deployments.local.processes import await_end, members, orphaned_proxies, sweep
from deployments.local.service import Service, ServiceFailed
from deployments.local.status import STATE

_DRAIN_S = 5.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stack:
    def __init__(self, home: Home, make_plan: Callable[[], Plan], *, say: Callable[[str], None]) -> None:
        self._home = home
        self._make_plan = make_plan
        self._say = say
        self._began = time.monotonic()
        self._keepers: list[Keeper] = []

    async def run(self) -> None:
        """Start, say so, and keep going until a signal. Whatever happens, nothing is left running."""
        ended = asyncio.Event()
        for number in _STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
        with self._home.locked():
            try:
                await _first_of(self._live(), ended.wait())
            finally:
                await self._stop()

    async def _live(self) -> None:
        plan = await self._clear_the_way()
        stores = [self._keeper(service) for service in plan.services]
        await _all_of(keeper.start() for keeper in stores)
        await prepare_database(plan.database_url, self._home)
        gateway = self._keeper(plan.ray)
        self._note(plan, "starting")
        await gateway.start()
        self._note(plan, "ready")
        if plan.simulated:
            self._say(
                f"simulated, for want of a key: {', '.join(plan.simulated)} (the sandbox answers for them)"
            )
        self._say(f"admin key in {self._home.admin_key}")
        self._say(f"polyvox ready {plan.url}")
        await _all_of(keeper.keep() for keeper in self._keepers)

    def _keeper(self, service: Service) -> Keeper:
        keeper = Keeper(service, home=self._home, say=self._say)
        self._keepers.append(keeper)
        return keeper

    async def _clear_the_way(self) -> Plan:
        """End what a crash left behind, then choose ports: what was left may have held them."""
        raise_descriptor_limit()
        leftovers = await asyncio.to_thread(sweep, self._home)
        if leftovers:
            self._say(f"ended {leftovers} processes that an earlier run had left")
        plan = self._make_plan()
        for proxy in orphaned_proxies(plan.ray.port):
            with suppress(psutil.Error):
                self._say(
                    f"ended HAProxy (process {proxy.pid}), left on port {plan.ray.port} by a Ray that is gone"
                )
                proxy.kill()
                await_end([proxy], within_s=5)
        if not is_free(plan.ray.port):
            raise ServiceFailed(f"port {plan.ray.port} is taken by another program: choose one with --port")
        return plan

    def _note(self, plan: Plan, phase: str) -> None:
        self._home.write(
            STATE,
            {
                "phase": phase,
                "pid": os.getpid(),
                "url": plan.url,
                "port": plan.ray.port,
                "simulated": list(plan.simulated),
                "seconds_to_ready": round(time.monotonic() - self._began, 1) if phase == "ready" else None,
            },
        )

    async def _stop(self) -> None:
        """The gateway first, with a moment for what is in flight; then what it stood on."""
        self._say("ending")
        (self._home.path / STATE).unlink(missing_ok=True)
        await asyncio.to_thread(self._drain)
        await asyncio.to_thread(sweep, self._home, {"ray"}, grace_s=2.0)
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers))
        await asyncio.to_thread(sweep, self._home)

    def _drain(self) -> None:
        """HAProxy's soft stop: no new connections, and it ends with its last request."""
        proxies = []
        for process, _role in members(self._home, {"ray"}):
            with suppress(psutil.Error):
                if process.name() == "haproxy":
                    process.send_signal(signal.SIGUSR1)
                    proxies.append(process)
        await_end(proxies, within_s=_DRAIN_S)


def raise_descriptor_limit() -> None:
    """A held connection costs two to three descriptors: take as many as this user may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_000_000 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        with suppress(ValueError, OSError):  # macOS says infinity and means less
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _all_of(coroutines: Iterable[Coroutine[None, None, None]]) -> None:
    """Wait for all; the first failure ends the others and is raised as it is."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)


async def _first_of(*coroutines: Coroutine[None, None, object]) -> None:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
