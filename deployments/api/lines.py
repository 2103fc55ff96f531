"""Lines of batches answered as requests over HTTP are: by the same handlers, word for word."""

import asyncio
import logging
from collections.abc import Iterable

from deployments.api.app import Handler, Route
from deployments.api.errors import dialect_of, failure
from deployments.api.exchange import JSON, REQUEST_ID, Exchange, Message
from models.batches import ENDPOINTS, Answer, Claimed, Payers
from models.errors import Internal, PolyvoxError

log = logging.getLogger(__name__)


class Lines:
    """`Answers` of a batch runner."""

    def __init__(self, routes: Iterable[Route], payers: Payers) -> None:
        """`routes` are those of the HTTP surface, the handlers of `ENDPOINTS` among them."""
        self._handlers: dict[str, Handler] = {
            route.path: route.handler
            for route in routes
            if route.method == "POST" and route.path in ENDPOINTS
        }
        self._payers = payers

    async def answer(self, line: Claimed) -> Answer:
        heard = _Heard(line)
        try:
            principal = await self._payers.principal(line.key_id)
            await self._handlers[line.url](heard.exchange, principal, line.body)
        except PolyvoxError as error:
            return self.failed(line, error)
        except Exception:  # the boundary: a bug is the line's answer, and not the end of its runner
            log.exception("request %s failed", line.request_id)
            return self.failed(line, Internal("internal error"))
        return Answer(status_code=heard.status, body=b"".join(heard.parts))

    def failed(self, line: Claimed, error: PolyvoxError) -> Answer:
        if isinstance(error, Internal):
            log.error("request %s: %s", line.request_id, error.message)
            error = Internal("internal error")
        status, body, _ = failure(error, dialect_of(line.url, {}), request_id=line.request_id)
        return Answer(status_code=status, body=body, error=error)


class _Heard:
    """The client of one line's exchange, which never leaves."""

    def __init__(self, line: Claimed) -> None:
        self.status = 0
        self.parts: list[bytes] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": line.url,
            "query_string": b"",
            "headers": [JSON, (b"content-length", str(len(line.body)).encode())],
            REQUEST_ID: line.request_id,
        }
        self.exchange = Exchange(scope, self._never, self._hear)

    async def _never(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def _hear(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.parts.append(message.get("body", b""))
