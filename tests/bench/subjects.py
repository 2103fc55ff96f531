"""What is measured: the upstream called directly, and Polyvox in front of it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deployments.local.home import Home
from tests.bench.exchange import Target
from tests.bench.processes import Census, census_of_instance
from tests.bench.programs import ROOT, Unusable, answers, free_port, last_line, running

_UPSTREAM_KEY = "sk-upstream"
_UP_S = 180
_DOWN_S = 60


@dataclass(frozen=True)
class Subject:
    target: Target
    census: Callable[[], Census]
    """The subject's own processes, load generator and upstream left out."""
    routes: bool = False
    """Whether it chooses a model where none is named."""


@contextmanager
def sandbox(directory: Path) -> Iterator[str]:
    """Yields the OpenAI base URL of a sandbox that every subject of a run shares."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="polyvox-bench-") as scratch:
        command = [sys.executable, "-m", "deployments.sandbox", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--meter", str(Path(scratch) / "meter.jsonl")]
        url = f"http://127.0.0.1:{port}/openai/v1"
        with running(command, ready_url=f"{url}/models", log=directory / "sandbox.log"):
            yield url


def direct(upstream: str, model: str) -> Subject:
    target = Target("direct", upstream, model, {"Authorization": f"Bearer {_UPSTREAM_KEY}"})
    return Subject(target, dict)


def polyvox_at(url: str, key_file: Path, model: str) -> Subject:
    """A Polyvox that runs already; its home is where its admin key lies."""
    home = Home(key_file.resolve().parent)
    headers = {"Authorization": f"Bearer {key_file.read_text().strip()}"}
    return Subject(
        Target("Polyvox", f"{url}/v1", model, headers), lambda: census_of_instance(home), routes=True
    )


@contextmanager
def polyvox(upstream: str, model: str, directory: Path) -> Iterator[Subject]:
    """A Polyvox of its own, on a free port with an empty home, that leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="polyvox-bench-") as scratch:
        home = Home(Path(scratch).resolve())
        cli = _Cli(home, upstream, log=directory / "polyvox.log")
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        try:
            cli.run("up", "--detach", "--port", str(port), timeout_s=_UP_S)
            if not answers(f"{url}/readyz"):
                raise Unusable("polyvox up returned, but /readyz does not answer")
            yield polyvox_at(url, home.admin_key, model)
        finally:
            _end(home, cli)


@dataclass(frozen=True)
class _Cli:
    home: Home
    upstream: str
    log: Path

    def run(self, *arguments: str, timeout_s: float) -> None:
        """The output goes to a file: a pipe would be held open by what `up` leaves running."""
        environment = {
            **os.environ,
            "POLYVOX_HOME": str(self.home.path),
            "OPENAI_BASE_URL": self.upstream,
            "OPENAI_API_KEY": _UPSTREAM_KEY,
        }
        command = [sys.executable, "-m", "deployments.local.cli", *arguments]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("ab") as log:
                subprocess.run(
                    command, env=environment, cwd=ROOT, check=True, stdout=log, stderr=log, timeout=timeout_s
                )
        except subprocess.CalledProcessError:
            raise Unusable(f"polyvox {arguments[0]} failed: {last_line(self.log)}") from None
        except subprocess.TimeoutExpired:
            raise Unusable(f"polyvox {arguments[0]} took more than {timeout_s:.0f} s") from None


def _end(home: Home, cli: _Cli) -> None:
    if census_of_instance(home):
        cli.run("down", timeout_s=_DOWN_S)
    if left := census_of_instance(home):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        roles = sorted({usage.role for usage in left.values()})
        raise Unusable(f"polyvox down left processes behind: {', '.join(roles)}")
