"""One HTTP request and its response, over bare ASGI."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from models.errors import PayloadTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")

REQUEST_ID = "polyvox.request_id"
"""Key of the scope under which the edge says what the request is called."""

_CLOSE = (b"connection", b"close")

EVENT_STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class ClientGone(Exception):
    """The client left before the response was complete."""


class Exchange:
    """`headers` by lower-case name; of a name that comes twice, the last."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        """May hold a key: it is neither logged nor answered."""
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id: str = scope[REQUEST_ID]
        self.started = False
        self.broken = False
        """Whether its stream has ended in an error."""
        self.named: Headers = ()
        """Of its answer, whatever that is; what the answer itself says of the same counts."""
        self._body_is_read = self.method == "GET"
        self._scope = scope
        self._receive = receive
        self._send = send

    async def hand_over(self, app: Asgi, **said: object) -> None:
        """Let another application answer; `said` is added to its scope."""
        self.started = True  # whatever goes wrong from now on is the other's to say
        await app({**self._scope, **said}, self._receive, self._send)

    async def body(self, *, limit: int) -> bytes:
        """Raises PayloadTooLarge as soon as more than `limit` bytes have come or are announced."""
        announced = self.headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
            if not message.get("more_body", False):
                self._body_is_read = True
                return b"".join(parts) if len(parts) > 1 else part

    async def disconnected(self) -> None:
        """Returns when the client leaves. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def respond(self, status: int, body: bytes, headers: Headers = (JSON,)) -> None:
        close = () if self._body_is_read else (_CLOSE,)  # else the server would read on to the body's end
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, (*headers, length, *close))
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        named = [*headers, (b"x-polyvox-request-id", self.request_id.encode())]
        if self.named:
            said = {name for name, _ in headers}
            named += [header for header in self.named if header[0] not in said]
        await self._send({"type": "http.response.start", "status": status, "headers": named})

    async def write(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": body})


async def while_connected(exchange: Exchange, work: Awaitable[None]) -> None:
    """Do `work`, but cancel it when the client leaves: then ClientGone."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal gone
        gone = True
        task.cancel()

    watch = asyncio.get_running_loop().create_task(exchange.disconnected())
    watch.add_done_callback(leave)
    try:
        await work
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is larger than {limit} bytes")
