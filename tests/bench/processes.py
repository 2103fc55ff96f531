"""Whose CPU time and memory it is, read from /proc: every process gets a role by its command line."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deployments.local.home import Home
from deployments.local.processes import INSTANCE

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_REPLICA = re.compile(r"ray::ServeReplica:[^:]*:([\w-]+)")
_ROLES = (
    (re.compile(r"haproxy(\s|$)"), "haproxy"),
    (re.compile(r"postgres"), "postgres"),
    (re.compile(r"valkey|redis-server"), "valkey"),
    (re.compile(r"deployments[./]sandbox"), "sandbox"),
    (re.compile(r"raylet/raylet"), "ray: raylet"),
    (re.compile(r"gcs_server"), "ray: gcs"),
    (re.compile(r"ray::ServeController"), "ray: controller"),
    (re.compile(r"ray::|ray/(dashboard|_private|core|autoscaler)|log_monitor|runtime_env"), "ray: other"),
)
_NOT_SERVING = ("ray: ", "sandbox", "other")


@dataclass(frozen=True)
class Usage:
    role: str
    cpu_s: float
    rss_bytes: int


Census = dict[int, Usage]


def role_of(command: str) -> str:
    if replica := _REPLICA.match(command):
        return replica[1].lower()
    for pattern, role in _ROLES:
        if pattern.search(command):
            return role
    return "other"


def serves_requests(role: str) -> bool:
    """Ray's own background and the sandbox run beside the requests, not for them."""
    return not role.startswith(_NOT_SERVING)


def census_of_instance(home: Home) -> Census:
    """What carries the mark of this Polyvox, and what it started: Ray's workers overwrite their mark."""
    return _census(_descendants(set(_carrying(f"{INSTANCE}={home.instance}".encode()))))


def census_of_tree(root: int, *, role: str) -> Census:
    """A program and all it started, as one role."""
    return {pid: replace(usage, role=role) for pid, usage in _census(_descendants({root})).items()}


def cpu_by_role(before: Census, after: Census) -> dict[str, float]:
    """Seconds of CPU between two censuses."""
    spent: dict[str, float] = defaultdict(float)
    for pid, usage in after.items():
        spent[usage.role] += usage.cpu_s - (before[pid].cpu_s if pid in before else 0.0)
    return dict(spent)


def rss_of(role: str, census: Census) -> int:
    return sum(usage.rss_bytes for usage in census.values() if usage.role == role)


def machine_busy_share(seconds: float) -> float:
    """Share of all cores that is in use while nothing of ours runs."""

    def idle_and_all() -> tuple[int, int]:
        ticks = [int(field) for field in (_PROC / "stat").read_text().splitlines()[0].split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)

    idle_before, all_before = idle_and_all()
    time.sleep(seconds)
    idle, everything = idle_and_all()
    return 1 - (idle - idle_before) / max(everything - all_before, 1)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _carrying(assignment: bytes) -> Iterator[int]:
    for pid in _pids():
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue
        if assignment in environment.split(b"\0"):
            yield pid


def _descendants(roots: set[int]) -> set[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for pid in _pids():
        if fields := _stat(pid):
            children[int(fields[1])].append(pid)
    found, waiting = set[int](), list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children[pid]
    return found


def _stat(pid: int) -> list[str] | None:
    """The fields after the name, from `state` on (proc(5)); None for a process that has gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _census(pids: set[int]) -> Census:
    census: Census = {}
    for pid in pids:
        fields = _stat(pid)
        try:
            command = (
                (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:
            continue
        if fields and command:
            cpu_s = (int(fields[11]) + int(fields[12])) * _TICK_S
            census[pid] = Usage(role_of(command), cpu_s, int(fields[21]) * _PAGE_BYTES)
    return census
