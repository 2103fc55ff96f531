"""An answer's events as they come, in any dialect, with a sign of life where nothing comes."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Protocol

from deployments.api.exchange import Exchange, Headers
from models.chat import Chunk
from models.errors import Internal, PolyvoxError
from models.gateway import Reply

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
KEEP_ALIVE = b": keep-alive\n\n"


class Encoder(Protocol):
    def encode(self, chunks: list[Chunk], *, cost_pico: int | None) -> bytes:
        """The events of a batch, if it has any."""
        ...


async def stream(
    exchange: Exchange,
    reply: Reply,
    encoder: Encoder,
    *,
    headers: Headers,
    failed: Callable[[PolyvoxError], bytes],
    sign: bytes = KEEP_ALIVE,
    every_s: float = HEARTBEAT_S,
) -> None:
    """Begins with the first chunk: what fails before is an error with a status, what fails after is told by
    `failed` in the stream. `sign` is sent whenever nothing was for `every_s`."""
    pulse = _Pulse(exchange, sign, every_s)
    async with aclosing(reply.chunks) as chunks:
        try:
            async for batch in chunks:
                if not exchange.started:
                    await exchange.start(200, headers)
                    pulse.begin()
                if events := encoder.encode(batch, cost_pico=reply.cost_pico):
                    await pulse.write(events)
        except PolyvoxError as error:
            if not exchange.started:
                raise
            exchange.broken = True
            await pulse.write(failed(_shown(error, exchange)))
        finally:
            pulse.end()
    await exchange.end()


def _shown(error: PolyvoxError, exchange: Exchange) -> PolyvoxError:
    if not isinstance(error, Internal):
        return error
    log.error("request %s: %s", exchange.request_id, error.message)
    return Internal("internal error")


class _Pulse:
    """Writes what there is, and the sign when there was nothing for a while."""

    def __init__(self, exchange: Exchange, sign: bytes, every_s: float) -> None:
        self._exchange = exchange
        self._sign = sign
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._last = self._loop.time()
        self._task = self._loop.create_task(self._beat())

    async def write(self, events: bytes) -> None:
        self._last = self._loop.time()
        await self._exchange.write(events)

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._last + self._every_s - self._loop.time())
            if self._loop.time() - self._last >= self._every_s:
                await self.write(self._sign)
