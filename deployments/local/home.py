"""The instance's directory (`POLYVOX_HOME`): where its data, logs, secrets and state live.

The directory may be crossed by others (0711), because the unprivileged servers live below it; what is
secret in it is readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

REPOSITORY = Path(__file__).resolve().parents[2]

UNIX_SOCKET_PATH_MAX = 107
"""Longest path of a UNIX socket on Linux, without the final NUL (man 7 unix)."""

_LOOKERS_GONE_WITHIN_S = 0.3
"""`holder()` takes the lock for a moment in order to see whether it is free."""

_LONGEST_TAIL = max(
    len("/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store.1234567"),
    len(f"/{'n' * 56}/admin.sock.1234567.tmp"),  # HAProxy's, below the id of the Ray node
)


class AlreadyRunning(RuntimeError):
    """Another `polyvox up` owns this home."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"Polyvox is already running from this home (process {pid}); `polyvox down` ends it")
        self.pid = pid


@dataclass(frozen=True)
class Home:
    path: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Home:
        """The home named by the argument, by `POLYVOX_HOME`, or the repository's; made when absent."""
        chosen = path or os.environ.get("POLYVOX_HOME") or REPOSITORY / ".polyvox"
        home = cls(Path(chosen).expanduser().absolute())
        for directory in (home.path, home.logs):
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        return home

    @property
    def instance(self) -> str:
        """Names this instance in the environment of every process of it."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:12]

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def admin_key(self) -> Path:
        return self.path / "admin.key"

    @property
    def pepper(self) -> Path:
        """What API keys are hashed with; it never enters the database."""
        return self.path / "secrets" / "pepper"

    @property
    def artefact_keys(self) -> Path:
        """Public keys of those whose classifiers may serve here."""
        return self.path / "artefact_keys"

    def run_dir(self) -> Path:
        """A directory whose paths are short enough for the UNIX sockets of Ray, HAProxy and Valkey."""
        if len(str(self.path / "run")) + _LONGEST_TAIL <= UNIX_SOCKET_PATH_MAX:
            return own_directory(self.path / "run")
        return self.short_dir()

    def short_dir(self) -> Path:
        """The same outside of the home, for one that is deep or private."""
        return own_directory(Path("/tmp") / f"polyvox-{self.instance}")  # noqa: S108 checked by own_directory

    def secret(self, name: str) -> str:
        """A random secret that is made on first use and stays."""
        file = self.path / "secrets" / name
        own_directory(file.parent, 0o700)
        with suppress(FileNotFoundError):
            return file.read_text().strip()
        value = secrets.token_urlsafe(32)
        write_private(file, value)
        return value

    def secret_path(self, name: str) -> Path:
        self.secret(name)
        return self.path / "secrets" / name

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the home; empty where absent or cut off by a crash."""
        try:
            content = json.loads((self.path / name).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        write_private(self.path / name, json.dumps(content, indent=1))

    def holder(self) -> int | None:
        """The process that runs this home now: it holds the lock, so the number cannot be a recycled one."""
        with suppress(FileNotFoundError, ValueError), (self.path / "lock").open("r") as file:
            if not _try_lock(file):
                return int(file.read())
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` per home at a time; the kernel drops the lock however the holder dies."""
        with (self.path / "lock").open("a+") as file:
            deadline = time.monotonic() + _LOOKERS_GONE_WITHIN_S
            while not _try_lock(file):
                if time.monotonic() > deadline:
                    file.seek(0)
                    raise AlreadyRunning(int(file.read() or 0))
                time.sleep(0.01)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def own_directory(path: Path, mode: int = 0o711) -> Path:
    """Create a directory, or refuse one that somebody else prepared under a name that can be guessed."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{path} is not a directory of this user")
    path.chmod(mode)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: a reader sees the old text or the new, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
