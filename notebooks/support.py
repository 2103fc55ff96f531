"""What the notebooks share: tables, plots, and what they stand on where nothing is named."""

import asyncio
import html
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import msgspec
import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes

from deployments.local.home import REPOSITORY, Home
from deployments.local.keeper import Keeper
from deployments.local.ports import remembered_ports
from deployments.local.postgres import Postgres
from deployments.local.processes import sweep
from deployments.local.unprivileged import Account
from models.routing.artefact import (
    BUNDLED,
    Manifest,
    read_artefact,
)
from models.routing.evaluation import Estimate
from models.routing.task import TASKS
from models.routing.training import embedded, heads_only, new_key
from models.routing.training.outcomes import Line
from models.routing.training.prompts import Prompt
from models.routing.training.report import Report
from models.store import migrate

HERE = Path(__file__).parent
HELD_OUT = HERE / "held_out.jsonl"
"""Prompts that no artefact has been trained on."""

_STYLES = {"random": ("0.6", ":"), "naive": ("0.6", "--"), "oracle": ("0.2", "-.")}


def table(rows: Iterable[Any], *, digits: int = 3) -> HTML:
    """Of structs or mappings: a column for each field that is plain."""
    plain = [row if isinstance(row, Mapping) else msgspec.structs.asdict(row) for row in rows]
    if not plain:
        return HTML("<i>nothing</i>")
    names = [name for name, value in plain[0].items() if not isinstance(value, tuple | np.ndarray)]
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(_text(row.get(name), digits))}</td>' for name in names)}</tr>"
        for row in plain
    )
    return HTML(f"<table><tr>{head}</tr>{body}</table>")


def _text(value: object, digits: int) -> str:
    if isinstance(value, Estimate):
        return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
    return "–" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def bars(axes: Axes, counts: Mapping[str, float], title: str) -> None:
    names = sorted(counts, key=lambda name: counts[name])
    axes.barh(names, [counts[name] for name in names], color="0.4")
    axes.set_title(title)


def shares(values: Iterable[str]) -> dict[str, float]:
    counts = Counter(values)
    return {name: count / counts.total() for name, count in counts.items()}


def confusion(axes: Axes, report: Report, title: str) -> None:
    totals = np.maximum(1, report.confusion.sum(axis=1, keepdims=True))
    axes.imshow(report.confusion / totals, cmap="Greys", vmin=0, vmax=1)
    axes.set_xticks(range(len(TASKS)), TASKS, rotation=90)
    axes.set_yticks(range(len(TASKS)), TASKS)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    axes.set_title(title)


def calibration(axes: Axes, reports: Mapping[str, Report]) -> None:
    axes.plot([0, 1], [0, 1], color="0.8", label="what it says is so")
    for name, report in reports.items():
        axes.plot([b.confidence for b in report.bins], [b.right for b in report.bins], "o-", label=name)
    axes.set_xlabel("confidence")
    axes.set_ylabel("right")
    axes.set_title("calibration")
    axes.legend()


def coverage(axes: Axes, reports: Mapping[str, Report]) -> None:
    for name, report in reports.items():
        axes.plot(*zip(*report.coverage, strict=True), label=name)
    axes.set_xlabel("share answered, the surest first")
    axes.set_ylabel("right")
    axes.set_title("accuracy by coverage")
    axes.legend()


def cost_quality(axes: Axes, lines: Sequence[Line]) -> None:
    for line in lines:
        colour, dash = _STYLES.get(line.router.partition(":")[0], (None, "-"))
        costs, qualities = [p.cost for p in line.points], [p.quality for p in line.points]
        axes.plot(costs, qualities, dash, color=colour, drawstyle="steps-post", label=line.router)
    axes.set_xscale("log")
    axes.set_xlabel("mean cost of a request, USD")
    axes.set_ylabel("mean quality")
    axes.set_title("cost and quality")
    axes.legend()


def figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    return plt.subplots(1, columns, figsize=(width, height), layout="constrained")


def retrain(prompts: Sequence[Prompt], *, out: Path, version: str, seed: int = 0) -> Manifest:
    """Fits both heads anew over the bundled encoder, and writes an artefact to `out`, signed with a key that
    is made beside it. Its figures are of sources that the heads have not seen.
    """
    base = read_artefact(BUNDLED)
    key = out.with_name("key.pem")
    if not key.exists():
        new_key(key, out.with_name("public.pem"))
    return heads_only(embedded(prompts, base), out, base=base, version=version, key=key, seed=seed)


def trust(home: Path, candidate: Path) -> Path:
    """Whoever has signed the candidate may from now on give this home its classifier. Returns the keys."""
    keys = home / "artefact_keys"
    keys.mkdir(parents=True, exist_ok=True)
    shutil.copy(candidate.with_name("public.pem"), keys / "notebook.pem")
    return keys


class OwnDatabase:
    """A PostgreSQL of the notebook's own, in a home of its own; gone with `stop`."""

    def __init__(self) -> None:
        path = Path(tempfile.mkdtemp(prefix="polyvox-notebook-"))
        path.chmod(0o711)
        self.home = Home.open(path)
        postgres = Postgres(
            self.home, remembered_ports(self.home, ("postgres",))["postgres"], Account.for_servers()
        )
        self._keeper = Keeper(postgres, home=self.home, say=lambda _: None)
        self.url = postgres.url

    async def start(self) -> None:
        await self._keeper.start()
        await migrate(self.url)

    async def stop(self) -> None:
        await self._keeper.stop()
        await asyncio.to_thread(sweep, self.home, grace_s=1.0)
        for directory in (self.home.path, self.home.run_dir()):
            shutil.rmtree(directory, ignore_errors=True)


class OwnGateway(NamedTuple):
    """`gateway.py` beside this file, as a process."""

    url: str
    key: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> "OwnGateway":
        process = subprocess.Popen(  # noqa: S603 our own program
            [sys.executable, str(HERE / "gateway.py")], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        assert process.stdout is not None
        _, url, key = process.stdout.readline().split()
        return cls(url, key, process)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def polyvox(*arguments: str, database_url: str, home: Path) -> str:
    """What the command says, and its exit status where that is not 0."""
    done = subprocess.run(  # noqa: S603 our own program
        [sys.executable, "-m", "deployments.local.cli", *arguments],
        env=os.environ | {"POLYVOX_DATABASE_URL": database_url, "POLYVOX_HOME": str(home)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    status = f"\n(exit status {done.returncode})" if done.returncode else ""
    return (done.stdout + done.stderr).strip().replace(str(home), "HOME") + status
