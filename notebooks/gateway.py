"""A gateway in one process for notebooks: the product without Ray, over simulated providers.

`python gateway.py` prints `ready URL KEY` and serves until it is ended. No model says what it answers.
"""

import asyncio
import os
import secrets
import socket
import sys
from typing import get_args

import uvicorn

from deployments.api.app import Api
from deployments.clients import ProviderLanes
from deployments.edge import Edge
from deployments.lane.client import Lane
from deployments.lane.local import LocalDiscovery
from deployments.lane.server import LaneServer
from deployments.local.providers import sandbox_environment
from deployments.provider import ProviderCalls, adapters_of
from deployments.sandbox.meter import Meter
from deployments.sandbox.server import Server
from deployments.sandbox.service import Service
from models.catalog import load_catalog
from models.catalog.model import Protocol
from models.doubles import InMemoryLedger, in_memory_context
from models.errors import Unauthenticated
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.routing.router import LearnedRouter
from models.routing.staged import StagedClassifier

SIMULATED = ("openai", "anthropic", "google")


class OneKey:
    def __init__(self, key: str) -> None:
        self._key = key

    async def authenticate(self, presented: str) -> Principal:
        if not secrets.compare_digest(presented.encode(), self._key.encode()):
            raise Unauthenticated("that key is not known")
        return Principal("key", "user", "tenant")


async def nothing_is_amiss() -> dict[str, str]:
    return {}


def application(key: str) -> Edge:
    """Needs the sandbox's addresses in the environment."""
    catalog = load_catalog()
    hosts = frozenset(host.id for host in catalog.hosts.values() if host.id in SIMULATED)
    available = frozenset(model.id for model in catalog.models.values() if model.host in hosts)
    lanes = {}
    for protocol in get_args(Protocol):
        calls = ProviderCalls(adapters_of(protocol, catalog, max_connections=100))
        server = LaneServer({"stream": calls.stream}, replica=protocol, max_in_flight=100)
        lanes[protocol] = Lane(LocalDiscovery({protocol: server}), name=protocol, retries=0)
    classifier = StagedClassifier()
    gateway = Gateway(
        catalog=catalog,
        available=available,
        providers=ProviderLanes(catalog, lanes),
        router=ModelRouter(LearnedRouter(catalog, available, classify=classifier.classify)),
        context=in_memory_context(catalog),
        calls=OpenCalls(InMemoryLedger()),
        timeouts=Timeouts(),
    )
    return Edge(Api(gateway, OneKey(key), unready=nothing_is_amiss, sandboxed=frozenset(SIMULATED)))


async def serve() -> None:
    sandbox = Server(Service(Meter(None)))
    await sandbox.start(_listening(port := _free_port()))
    os.environ.update(sandbox_environment(SIMULATED, f"http://127.0.0.1:{port}"))
    key, bound = f"pvx_{secrets.token_hex(16)}", _listening(0)
    sys.stdout.write(f"ready http://127.0.0.1:{bound.getsockname()[1]} {key}\n")
    sys.stdout.flush()
    config = uvicorn.Config(application(key), log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve(sockets=[bound])


def _listening(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    bound.listen(100)
    return bound


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    asyncio.run(serve())
