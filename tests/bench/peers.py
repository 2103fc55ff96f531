"""The gateways beside Polyvox: installed on first use, started on loopback over the same upstream."""

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.bench.exchange import Target
from tests.bench.processes import census_of_tree
from tests.bench.programs import Unusable, free_port, running
from tests.bench.subjects import Subject

MODEL = "gpt-4o-mini"
"""Both peers know it, and need no special case for it."""

LITELLM = "litellm[proxy]==1.106.2"
LITELLM_WORKERS = 2
PORTKEY = (
    "@portkey-ai/gateway@1.15.2",
    # What its own lock file pins: with newer ones its streams fail.
    "@hono/node-server@1.13.5",
    "hono@4.9.7",
    "@hono/node-ws@1.2.0",
)
_INSTALL_S = 900


@contextmanager
def litellm(upstream: str, directory: Path) -> Iterator[Subject]:
    """One worker a core and no database: without keys, budgets or spend rows, its lenient setting."""
    home = directory / "litellm"
    if not (home / "installed").exists():
        _run([sys.executable, "-m", "venv", str(home)])
        _run([str(home / "bin/pip"), "install", "--quiet", LITELLM])
        (home / "installed").touch()
    config, port, key = home / "config.json", free_port(), f"sk-{secrets.token_urlsafe(24)}"
    parameters = {"model": f"openai/{MODEL}", "api_base": upstream, "api_key": "sk-upstream"}
    settings = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "litellm_settings": {"telemetry": False, "num_retries": 0, "request_timeout": 600},
        "router_settings": {"disable_cooldowns": True},
    }
    config.write_text(json.dumps(settings))
    environment = {
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "NO_DOCS": "True",
        "DISABLE_ADMIN_UI": "True",
    }
    command = [str(home / "bin/litellm"), "--config", str(config), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--num_workers", str(LITELLM_WORKERS)]
    # By default a worker that imports for over 5 s is killed and begins anew, on a slow machine for ever.
    command += ["--timeout_worker_healthcheck", "120"]
    ready_url = f"http://127.0.0.1:{port}/health/liveliness"
    log = directory / "litellm.log"
    with running(command, ready_url=ready_url, log=log, environment=environment) as pid:
        headers = {"Authorization": f"Bearer {key}"}
        target = Target("LiteLLM", f"http://127.0.0.1:{port}/v1", MODEL, headers)
        yield Subject(target, lambda: census_of_tree(pid, role="litellm"))


@contextmanager
def portkey(upstream: str, directory: Path) -> Iterator[Subject]:
    """One Node process, which is how it is run."""
    home = directory / "portkey"
    if not (home / "installed").exists():
        home.mkdir(parents=True, exist_ok=True)
        _run(["npm", "install", "--no-save", "--silent", "--prefix", str(home), *PORTKEY])
        (home / "installed").touch()
    port = free_port()
    start = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    preload = Path(__file__).with_name("loopback.cjs")
    command = ["node", "--require", str(preload), str(start), f"--port={port}", "--headless"]
    environment = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}
    ready_url = f"http://127.0.0.1:{port}/"
    log = directory / "portkey.log"
    with running(command, ready_url=ready_url, log=log, environment=environment) as pid:
        headers = {
            "Authorization": "Bearer sk-upstream",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": upstream,
        }
        target = Target("Portkey", f"http://127.0.0.1:{port}/v1", MODEL, headers)
        yield Subject(target, lambda: census_of_tree(pid, role="portkey"))


PEERS: dict[str, Callable[[str, Path], AbstractContextManager[Subject]]] = {
    "LiteLLM": litellm,
    "Portkey": portkey,
}

VERSIONS = {"LiteLLM": f"{LITELLM} ({LITELLM_WORKERS} workers, no database)", "Portkey": PORTKEY[0]}


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_S)
    except FileNotFoundError:
        raise Unusable(f"{command[0]} is not installed") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        reason = (error.stderr or b"").decode(errors="replace").strip().splitlines() or [str(error)]
        raise Unusable(f"{Path(command[0]).name} failed: {reason[-1][:200]}") from None
