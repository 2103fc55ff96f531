"""`python -m deployments.sandbox --port 18080`: the providers, simulated, until SIGTERM or SIGINT."""

import argparse
import asyncio
import gc
import os
import resource
import signal
import socket
from pathlib import Path

import uvloop

from deployments.sandbox.distortion import Distortions
from deployments.sandbox.meter import Meter
from deployments.sandbox.server import Server
from deployments.sandbox.service import Service


def main() -> int:
    options = _options()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bound = _bind(options.host, options.port, shared=options.workers > 1)
    host, port = bound.getsockname()[:2]
    Distortions(options.meter).forget()
    children: list[int] = []
    for _ in range(options.workers - 1):
        # Before any thread or loop exists. Each worker listens, counts and keeps its state for itself.
        pid = os.fork()
        if pid == 0:
            bound.close()
            return uvloop.run(_serve(_bind(host, port, shared=True), options.meter, ready=""))
        children.append(pid)
    metered = f", meter {options.meter}" if options.meter else ""
    ready = f"sandbox ready http://{host}:{port} (simulated providers{metered})"
    status = uvloop.run(_serve(bound, options.meter, ready=ready))
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    return max([status, *(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)])


async def _serve(bound: socket.socket, meter_file: Path | None, *, ready: str) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    # Reference counts free what a call leaves; frequent collections would only walk held streams.
    gc.set_threshold(50_000, 50, 100)
    meter = Meter(meter_file)
    server = Server(Service(meter, Distortions(meter_file)))
    await server.start(bound)
    if ready:
        print(ready, flush=True)
    await stopped.wait()
    await server.stop()
    meter.close()
    return 1 if meter.failed else 0


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployments.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18080, help="0 takes a free one and prints it")
    parser.add_argument("--meter", type=Path, help="file that gets a JSON line for each billed call")
    parser.add_argument("--workers", type=int, default=1, choices=range(1, 17), metavar="1..16")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
