"""The listening side: accepts connections until it is stopped."""

import asyncio
import socket

from deployments.sandbox.connection import Connection, Open
from deployments.sandbox.pacing import Wheel
from deployments.sandbox.service import Service


class Server:
    """Listens on a bound socket until `stop`, which cuts what is still open."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = Open()
        self._wheel: Wheel | None = None
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        wheel = self._wheel = Wheel(loop)
        self._server = await loop.create_server(
            lambda: Connection(self._service, wheel, self._open), sock=bound, backlog=4096
        )

    async def stop(self) -> None:
        assert self._server is not None
        assert self._wheel is not None
        self._server.close()
        self._wheel.close()
        for connection in list(self._open.connections):
            connection.abort()
        await self._open.none.wait()
