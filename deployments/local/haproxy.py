"""Closes what Ray Serve's HAProxy leaves open, on its way from Ray to the binary.

Ray renders a configuration and runs the program named by `RAY_SERVE_HAPROXY_BINARY_PATH` on it, at the
start and at each reload. That program is a two-line script which has this module rewrite the file and
then become HAProxy, so that process id and arguments are the ones Ray expects. Standard library only.

What Ray 2.60 renders otherwise (ray/serve/_private/haproxy_templates.py): metrics and statistics on all
interfaces, an administration socket open to every local user, its own 502, 503 and 504 turned into a bare
500, a log datagram per request to a syslog that is not there, no X-Forwarded-For, and client headers that
set Serve's timeouts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path

_LOOPBACK_BINDS = re.compile(r"^(\s*bind )(?:\*|):(\d+)$")
_PUBLIC_FRONTEND = "frontend http_frontend"
_SERVE_CONTROL_HEADERS = ("x-request-timeout-seconds", "x-request-disconnect-disabled")
_REFUSALS = {
    502: "The gateway's replica ended before it answered.",
    503: "The gateway has no replica to answer with right now.",
    504: "The gateway's replica did not answer in time.",
}


def harden(configuration: str, refusals: Path) -> str:
    """The same configuration, closed to others. Applying it twice changes nothing more."""
    lines: list[str] = []
    section = ""
    for line in configuration.splitlines():
        if line and not line[0].isspace():
            section = line.strip()
        lines.extend(_rewritten(line, section, refusals))
    return "\n".join(lines) + "\n"


def _rewritten(line: str, section: str, refusals: Path) -> list[str]:
    words = line.split()
    if section == _PUBLIC_FRONTEND and words[:1] == ["bind"]:
        return [line, *_request_rules()]
    if section == _PUBLIC_FRONTEND and line in _request_rules():
        return []
    if words[:2] == ["stats", "socket"]:
        return [line.replace("mode 666", "mode 600")]
    if words[:1] == ["errorfile"] and int(words[1]) in _REFUSALS:
        return [f"    errorfile {words[1]} {refusals / words[1]}.http"]
    if section == "global" and words[:1] == ["log"]:
        return []
    return [_LOOPBACK_BINDS.sub(r"\g<1>127.0.0.1:\g<2>", line)]


def _request_rules() -> list[str]:
    return [
        *(f"    http-request del-header {header}" for header in _SERVE_CONTROL_HEADERS),
        "    http-request set-header X-Forwarded-For %[src]",
        "    http-request deny deny_status 404 if { path -i /-/routes }",
    ]


def write_refusals(directory: Path) -> None:
    """The answers HAProxy gives of its own: JSON, with the status that they have, and worth another try."""
    directory.mkdir(parents=True, exist_ok=True)
    for status, message in _REFUSALS.items():
        error = {"message": message, "type": "api_error", "code": "gateway_unavailable", "param": None}
        body = json.dumps({"error": error})
        head = (
            f"HTTP/1.1 {status} {message.rstrip('.')}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Retry-After: 1",
            "Cache-Control: no-store",
        )
        (directory / f"{status}.http").write_text("\r\n".join((*head, "", body)), newline="")


def write_launcher(directory: Path, binary: str) -> Path:
    """The program for `RAY_SERVE_HAPROXY_BINARY_PATH`."""
    write_refusals(directory)
    launcher = directory / "haproxy"
    words = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(directory), binary]
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    launcher.chmod(0o700)
    return launcher


def main(directory: str, binary: str, *arguments: str) -> None:
    path = Path(arguments[arguments.index("-f") + 1])
    path.write_text(harden(path.read_text(), Path(directory)))
    os.execv(binary, [binary, *arguments])  # noqa: S606 Ray gave the arguments


if __name__ == "__main__":
    main(*sys.argv[1:])
