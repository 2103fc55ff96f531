"""HTTP/1.1 on a bare asyncio protocol: requests in, plans carried out straight into the transport."""

import asyncio
import socket
import struct
from collections import deque
from http import HTTPStatus
from typing import Final, cast

import httptools

from deployments.sandbox.exchange import Request
from deployments.sandbox.pacing import Player, Wheel
from deployments.sandbox.service import Plan, Service

HEADERS_MAX: Final = 64 * 1024
BODY_MAX: Final = 32 * 1024 * 1024
PIPELINE_MAX: Final = 16
SILENCE_MAX_S: Final = 600

_CLOSE = b"connection: close\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: close at once with RST."""


class Connection(asyncio.Protocol):
    """One client connection; also the sink of the stream that is being sent on it."""

    __slots__ = (
        "_body",
        "_chunked",
        "_header_bytes",
        "_headers",
        "_keep_alive",
        "_open",
        "_parser",
        "_pending",
        "_plan",
        "_player",
        "_service",
        "_size",
        "_transport",
        "_url",
        "_wheel",
        "paused",
    )

    def __init__(self, service: Service, wheel: Wheel, open_ones: "Open") -> None:
        self.paused = False
        self._service = service
        self._wheel = wheel
        self._open = open_ones
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[tuple[Request, bool]] = deque()
        self._plan: Plan | None = None
        self._player: Player | None = None
        self._keep_alive = self._chunked = True
        self.on_message_begin()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        self._service.open_connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._open.discard(self)
        self._service.open_connections -= 1
        self._pending.clear()
        plan, player = self._plan, self._player
        self._end_exchange()
        if plan is not None and plan.bill is not None:
            silent = plan.behaviour.fail is not None
            sent = player.sent if player is not None else 0
            plan.bill.record(status=0 if silent else plan.status, completed=False, aborted=True, sent=sent)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if isinstance(error, httptools.HttpParserCallbackError) and not _is_too_much(error):
                raise
            self._transport.write(
                b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self._transport.close()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._player is not None:
            self._player.resume()

    # httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._header_bytes = self._size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value
        self._count_header(len(name) + len(value))

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= BODY_MAX:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(method, path, query, self._headers, body)
        chunked = self._parser.get_http_version() == "1.1"
        keep_alive = self._parser.should_keep_alive() and self._size <= BODY_MAX
        if self._size > BODY_MAX:
            self._carry_out(self._service.too_large(request), keep_alive=False, chunked=chunked)
        elif self._plan is None:
            self._carry_out(self._service.plan(request), keep_alive=keep_alive, chunked=chunked)
        elif len(self._pending) < PIPELINE_MAX:
            self._pending.append((request, keep_alive))
        else:
            raise _TooMuch

    def _count_header(self, n: int) -> None:
        self._header_bytes += n
        if self._header_bytes > HEADERS_MAX:
            raise _TooMuch

    # the exchange

    def _carry_out(self, plan: Plan, *, keep_alive: bool, chunked: bool = True) -> None:
        self._plan = plan
        self._keep_alive = keep_alive
        self._chunked = chunked
        if plan.behaviour.delay:
            self._wheel.at(self._wheel.now() + plan.behaviour.delay, lambda: self._begin(plan))
        else:
            self._begin(plan)

    def _begin(self, plan: Plan) -> None:
        if self._plan is not plan or self._transport.is_closing():
            return
        failure = plan.behaviour.fail
        if failure == "reset":
            self._reset()
        elif failure == "timeout":
            if plan.bill is not None:
                plan.bill.record(status=0, completed=False, aborted=True)
            self._wheel.at(self._wheel.now() + SILENCE_MAX_S, self._transport.abort)
        elif plan.script is not None:
            self._service.open_streams += 1
            framing = (_CHUNKED if self._chunked else b"") + b"cache-control: no-cache\r\n"
            self._transport.write(self._head(plan, plan.script.content_type, framing))
            self._player = Player(plan.script, plan.behaviour, self, self._wheel)
            self._player.start()
        else:
            self._send_whole(plan)

    def _send_whole(self, plan: Plan) -> None:
        head = self._head(plan, b"application/json", b"content-length: %d\r\n" % len(plan.body))
        dies = plan.behaviour.die_after is not None and plan.status == 200
        if plan.bill is not None:
            plan.bill.record(completed=not dies, aborted=dies)
        if dies:
            self._transport.write(head + plan.body[: len(plan.body) // 2])
            self._transport.close()
        else:
            self._transport.write(head + plan.body)
            self._next()

    def _head(self, plan: Plan, content_type: bytes, framing: bytes) -> bytes:
        closing = b"" if self._keep_alive and (self._chunked or plan.script is None) else _CLOSE
        return b"%bx-polyvox-simulated: 1\r\ncontent-type: %b\r\n%b%b%b\r\n" % (
            _STATUS_LINES.get(plan.status) or b"HTTP/1.1 %d Simulated\r\n" % plan.status,
            content_type,
            plan.headers,
            framing,
            closing,
        )

    def _next(self) -> None:
        """The exchange is over: the next request of the connection, or its end."""
        keeps = self._keep_alive and (self._chunked or self._player is None)
        self._end_exchange()
        if not keeps:
            self._transport.close()
        elif self._pending:
            request, keep_alive = self._pending.popleft()
            self._carry_out(self._service.plan(request), keep_alive=keep_alive)

    def _end_exchange(self) -> None:
        if self._player is not None:
            self._player.stop()
            self._service.open_streams -= 1
        self._plan = self._player = None

    def _reset(self) -> None:
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    # the sink of a player

    def send(self, data: bytes) -> None:
        if not data:
            return
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> None:
        self._finish(completed=True)

    def fail(self) -> None:
        self._finish(completed=False)

    def cut(self) -> None:
        self._bill(completed=False, aborted=True)
        self._transport.close()

    def _finish(self, *, completed: bool) -> None:
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
        self._bill(completed=completed)
        self._next()

    def _bill(self, *, completed: bool, aborted: bool = False) -> None:
        if self._plan is not None and self._plan.bill is not None and self._player is not None:
            self._plan.bill.record(completed=completed, aborted=aborted, sent=self._player.sent)

    def abort(self) -> None:
        self._transport.abort()


class Open:
    """The open connections of a server; `none` is set while there are none."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.none = asyncio.Event()
        self.none.set()

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.none.clear()

    def discard(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self.none.set()


class _TooMuch(Exception):
    """Headers or pipelined requests beyond what is sensible."""


def _is_too_much(error: BaseException) -> bool:
    return isinstance(error.__cause__ or error.__context__, _TooMuch)


_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
