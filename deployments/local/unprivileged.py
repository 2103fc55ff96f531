"""PostgreSQL refuses to run as root: there the embedded servers run as `nobody`.

The account needs to reach their binaries and data, which a checkout below a 0700 directory does not allow:
then both go below `/var/tmp`, under a name that is the instance's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.local.home import Home, own_directory


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    @classmethod
    def for_servers(cls) -> Account | None:
        """The account to switch to; None where the caller's own is unprivileged already."""
        if os.geteuid() != 0:
            return None
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def spawn_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_cross(self, path: Path) -> bool:
        """Whether everything from the root down to `path` may be entered by this account."""
        return all(
            directory.stat().st_mode & stat.S_IXOTH or directory.stat().st_uid == self.uid
            for directory in (path, *path.parents)
        )


def data_root(home: Home, account: Account | None) -> Path:
    """Where the servers' data lives: the home, unless their account cannot reach it."""
    if account is None or account.can_cross(home.path):
        return home.path
    return Path("/var/tmp") / f"polyvox-{home.instance}"  # noqa: S108 checked when it is made


def make_data_root(home: Home, account: Account | None) -> Path:
    root = data_root(home, account)
    return root if root == home.path else own_directory(root)


def socket_root(home: Home, account: Account | None) -> Path:
    """Where the servers' sockets live: short enough a path, in reach of their account."""
    if account is None or account.can_cross(home.path):
        return home.run_dir()
    return home.short_dir()


def server_directory(path: Path, account: Account | None) -> Path:
    """A private directory that belongs to the servers' account."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)
    return path


def reachable_copy(sources: tuple[Path, ...], target: Path, account: Account | None) -> Path:
    """The directory that holds `sources`, or a copy of them all, side by side, that the account can reach."""
    origin = sources[0].parent
    if account is None or account.can_cross(sources[0]):
        return origin
    if not target.exists():
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for source in filter(Path.exists, sources):
            shutil.copytree(source, partial / source.name, symlinks=True)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        partial.rename(target)
    return target
