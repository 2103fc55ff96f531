"""A program that the kit starts on loopback, waits for and ends, with everything it started."""

import os
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 10.0


class Unusable(RuntimeError):
    """A subject of the measurement cannot be installed or started; the message says why."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str],
    *,
    ready_url: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    ready_s: float = 180.0,
) -> Iterator[int]:
    """Yields the process id once `ready_url` answers. The program gets every file descriptor it may have."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        program = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (most, most))
        give_up_at = time.monotonic() + ready_s
        while not answers(ready_url):
            if program.poll() is not None or time.monotonic() > give_up_at:
                raise Unusable(f"{Path(command[0]).name} did not start: {last_line(log)}")
            time.sleep(0.1)
        yield program.pid
    finally:
        _end_session(program)


def answers(url: str) -> bool:
    """Whether anything but a failure of the server itself comes back."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (loopback only)
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"nothing in {log}"


def _end_session(program: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(program.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            program.wait(_STOP_S)
