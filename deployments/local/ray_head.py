"""The child process that is the Ray head: starts the node, deploys the applications, watches the node.

The node is started by Ray's own class and not by `ray start`, which would import Ray a second time. The
applications are deployed without the dashboard's REST interface. Ends with status 1 when a daemon of the
node died, and with 3 when an application cannot be deployed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import ray
import yaml
from ray._private.node import Node
from ray._private.parameter import RayParams

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


def read_config(path: Path, *, host: str, port: int) -> dict[str, Any]:
    """`serve_config.yaml` with this machine's address in it."""
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    config["http_options"] = {**config.get("http_options", {}), "host": host, "port": port}
    return config


def deploy(config: dict[str, Any]) -> None:
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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--temp-dir", required=True)
    arguments = parser.parse_args()

    node = start_node(arguments.temp_dir)
    ray.init(address=node.gcs_address, namespace="serve", log_to_driver=False, _temp_dir=arguments.temp_dir)
    try:
        deploy(read_config(arguments.config, host=arguments.host, port=arguments.port))
    except RuntimeError as error:
        print(error, file=sys.stderr, flush=True)
        return _DEPLOY_FAILED
    while not node.dead_processes():  # type: ignore[no-untyped-call]
        time.sleep(_WATCH_EVERY_S)
    return _DAEMON_DIED


if __name__ == "__main__":
    sys.exit(main())
