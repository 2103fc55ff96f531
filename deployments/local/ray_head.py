"""The child process that is the Ray head: starts the node, deploys the applications, watches the node.

The node is started by Ray's own class and not by `ray start`, which would import Ray a second time. The
applications are deployed without the dashboard's REST interface. Ends with status 1 when a daemon of the
node died, and with 3 when an application cannot be deployed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import yaml
from ray._private.node import Node
from ray._private.parameter import RayParams

from deployments.router_config import FILE, read_router_config, with_router_config

if TYPE_CHECKING:
    from ray.serve._private.client import ServeControllerClient

_OBJECT_STORE_BYTES = 200_000_000
_WATCH_EVERY_S = 0.5
_DAEMON_DIED = 1
_DEPLOY_FAILED = 3


class HeadNode(Node):
    """A head node with the daemons that Serve needs and no others."""

    def start_api_server(self, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
        """Left out: it serves the dashboard's interface, and each start would wait two seconds for it."""


def start_node(temp_dir: str) -> Node:
    """The node on 127.0.0.1: no autoscaler, no log monitor, no dashboard."""
    parameters = RayParams(
        node_ip_address="127.0.0.1",
        gcs_server_port=0,
        dashboard_agent_listen_port=0,
        temp_dir=temp_dir,
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=False,
        include_log_monitor=False,  # type: ignore[arg-type] # annotated str, used as bool
        no_monitor=True,
    )
    return HeadNode(parameters, head=True, shutdown_at_exit=True, spawn_reaper=False)


def read_config(path: Path, *, home: Path, host: str, port: int) -> dict[str, Any]:
    """`serve_config.yaml` with this machine's address in it, and what the router of this home is told."""
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    config["http_options"] = {**config.get("http_options", {}), "host": host, "port": port}
    try:
        return with_router_config(config, read_router_config(home))
    except ValueError as error:
        print(error, file=sys.stderr, flush=True)
        return config


class RouterNews:
    """Whether the router of a home is told something else than at the last look."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._seen = self._state()

    def has_changed(self) -> bool:
        before, self._seen = self._seen, self._state()
        return self._seen != before

    def _state(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def deploy(config: dict[str, Any]) -> ServeControllerClient:
    """Hand the applications to Serve and wait for them. Raises RuntimeError where one cannot run.

    As `serve run` does it, but for one thing: the applications are built while the proxies start.
    """
    from ray.serve._private.api import _create_controller_and_proxy_refs
    from ray.serve._private.client import ServeControllerClient
    from ray.serve.config import ControllerOptions, gRPCOptions
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(config)
    controller, proxies = _create_controller_and_proxy_refs(
        http_options=schema.http_options.model_dump(),
        grpc_options=gRPCOptions(**schema.grpc_options.model_dump()),
        global_logging_config=schema.logging_config,
        global_tracing_config=None,
        controller_options=ControllerOptions(),
        proxy_location=schema.proxy_location,
    )
    client = ServeControllerClient(controller)
    client.deploy_apps(schema, _blocking=False)
    ray.get(proxies)
    for application in schema.applications:
        client._wait_for_application_running(application.name)
    return client


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--temp-dir", required=True)
    arguments = parser.parse_args()

    node = start_node(arguments.temp_dir)
    ray.init(address=node.gcs_address, namespace="serve", log_to_driver=False, _temp_dir=arguments.temp_dir)
    from ray.serve.schema import ServeDeploySchema

    home = Path(os.environ["POLYVOX_HOME"])
    read = partial(read_config, arguments.config, home=home, host=arguments.host, port=arguments.port)
    news = RouterNews(home)
    try:
        client = deploy(read())
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)
        return _DEPLOY_FAILED
    while not node.dead_processes():  # type: ignore[no-untyped-call]
        time.sleep(_WATCH_EVERY_S)
        if news.has_changed():  # a changed `user_config` restarts nobody
            client.deploy_apps(ServeDeploySchema.model_validate(read()), _blocking=False)
    return _DAEMON_DIED


if __name__ == "__main__":
    sys.exit(main())
