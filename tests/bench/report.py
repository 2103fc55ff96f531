"""What a run says: one table for people, one JSON file for programs."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.goals import Results, Row
from tests.bench.programs import ROOT

_MAX_CELL = 46
_QUIET_SHARE = 0.1


def conditions(*, busy_share: float, peers: Sequence[str]) -> dict[str, str]:
    """What the figures depend on beside the code."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "busy before the run": f"{busy_share:.0%} of them",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "Ray": version("ray"),
        "openai": version("openai"),
        "Polyvox": _first_line("git", "describe", "--always", "--dirty"),
        "unary load": _first_line("wrk", "--version") if shutil.which("wrk") else "own loop",
        **({"peers": ", ".join(peers)} if peers else {}),
        "load and upstream": "on the same cores",
    }


def warning(busy_share: float) -> str | None:
    if busy_share <= _QUIET_SHARE:
        return None
    return f"The machine was {busy_share:.0%} busy before the run: these figures are not this code's."


def table(rows: Sequence[Row], others: Sequence[str]) -> str:
    head = ["goal", "Polyvox", "verdict", *others]
    body = [
        [row.goal, row.figure, row.verdict, *(row.others.get(name, "") for name in others)] for row in rows
    ]
    cells = [head, *([cell if n == 0 else cell[:_MAX_CELL] for n, cell in enumerate(line)] for line in body)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def write_json(directory: Path, rows: Sequence[Row], results: Results, about: Mapping[str, str]) -> Path:
    now = datetime.now(UTC)
    report = {
        "at": now.isoformat(timespec="seconds"),
        "conditions": about,
        "rows": [asdict(row) for row in rows],
        "measured": {name: asdict(measured) for name, measured in results.items()},
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False))
    return path


def _first_line(*command: str) -> str:
    try:
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "unknown"
    return output.splitlines()[0].split(" [")[0] if output else "unknown"
