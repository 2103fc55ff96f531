"""Loopback ports: chosen once, remembered in the home, chosen anew when somebody else took one."""

from __future__ import annotations

import socket

from deployments.local.home import Home

LOOPBACK = "127.0.0.1"
_FILE = "ports.json"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def remembered_ports(home: Home, names: tuple[str, ...]) -> dict[str, int]:
    """A free port for each name, the one of the last start wherever it still is free."""
    known = home.read(_FILE)
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name)
        if not isinstance(port, int) or port in chosen.values() or not is_free(port):
            port = _any_free(set(chosen.values()))
        chosen[name] = port
    if chosen != known:
        home.write(_FILE, {**known, **chosen})
    return chosen


def _any_free(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port
