"""What runs from a home, seen from outside of it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from deployments.local.home import Home
from deployments.local.processes import members
from deployments.local.ray_cluster import is_ready

STATE = "state.json"


def read_status(home: Home) -> dict[str, Any]:
    """`state` is `ready`, `starting`, `unready` (it was ready before), `down` or `leftovers`."""
    supervisor = home.holder()
    noted = home.read(STATE) if supervisor else {}
    counted = Counter(role for _process, role in members(home))
    return {
        "state": _state(supervisor, noted, bool(counted)),
        "url": noted.get("url"),
        "pid": supervisor,
        "home": str(home.path),
        "processes": dict(counted),
        "simulated": noted.get("simulated", []),
        "seconds_to_ready": noted.get("seconds_to_ready"),
    }


def _state(supervisor: int | None, noted: dict[str, Any], anything_runs: bool) -> str:
    if supervisor is None:
        return "leftovers" if anything_runs else "down"
    if noted.get("phase") != "ready":
        return "starting"
    return "ready" if is_ready(int(noted["port"])) == 200 else "unready"


def end_supervisor(home: Home, *, within_s: float) -> bool:
    """Ask the running `up` to end, and wait; by force when it does not. Whether there was one."""
    supervisor = home.holder()
    if supervisor is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while home.holder() == supervisor:
        if time.monotonic() > deadline:
            os.kill(supervisor, signal.SIGKILL)
            break
        time.sleep(0.05)
    return True
