"""`Idempotency-Key`: around the handlers of all routes that call providers.

It stands here, over the bytes of an answer, and not around the gateway: so one piece of code does for every
dialect, whole and streamed, for embeddings too, and what is given again is what was sent, to the byte. The
end of an answer leaves once the answer is kept. A client that leaves before the first byte is taken to come
back: its request goes on, for what is not a stream is paid for as a whole anyway. One that leaves in the
middle has cut its stream, and the next request with the key is answered anew.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace

from deployments.api.errors import status_of
from deployments.api.exchange import Exchange, Headers, Message
from models.errors import PolyvoxError, ProviderError
from models.idempotency import Again, Idempotency, KeptAnswer, Run
from models.identity import Principal
from models.ledger.discounts import BASIS_POINTS

log = logging.getLogger(__name__)

HEADER = b"idempotency-key"
REPLAYED = b"x-polyvox-idempotent-replay"
ORIGINAL = b"x-polyvox-original-request-id"
MAX_GOING_ON = 500
"""Requests whose clients have left. More are not waited for."""

_OF_THE_MOMENT = (b"content-length", b"connection", b"x-polyvox-request-id", b"x-polyvox-priority")
_PIECE_BYTES = 64 * 1024

Handler = Callable[[Exchange, Principal, bytes], Awaitable[None]]


class AnsweredOnce:
    """Belongs to one event loop."""

    def __init__(self, idempotency: Idempotency) -> None:
        self._idempotency = idempotency
        self._under_way: set[asyncio.Task[None]] = set()
        self._going_on = 0

    async def answer(self, exchange: Exchange, principal: Principal, body: bytes, handler: Handler) -> None:
        """As `handler` does, or as it did. Raises what it raises, and as `Idempotency.begin` does."""
        asked = self._idempotency.asked(
            principal.tenant_id, principal.user_id, exchange.headers[HEADER], *_said(exchange, body)
        )
        begun = await self._idempotency.begin(asked, exchange.request_id)
        if isinstance(begun, Again):
            await _give_again(exchange, begun)
            return
        if begun.is_paid:
            principal = replace(principal, discount_basis_points=BASIS_POINTS)
        overheard = _Overheard(exchange, begun)
        answering = handler(overheard, principal, body)
        work = asyncio.get_running_loop().create_task(_see_through(begun, overheard, answering))
        self._under_way.add(work)
        work.add_done_callback(self._under_way.discard)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._leave(overheard, work)
            raise

    async def settle(self) -> None:
        """Wait for the requests whose clients have left, and for what is told aside."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self._idempotency.settle()

    def _leave(self, overheard: "_Overheard", work: asyncio.Task[None]) -> None:
        overheard.leave()
        if work.done() or overheard.is_ending:
            return
        if overheard.started or self._going_on >= MAX_GOING_ON:
            work.cancel()
            return
        self._going_on += 1
        work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Task[None]) -> None:
        self._going_on -= 1
        if not work.cancelled() and (error := work.exception()) is not None:
            log.info("a request that went on without its client failed: %r", error)


class _Overheard(Exchange):
    """An exchange whose answer is recorded; its end is held back until the answer is kept."""

    def __init__(self, exchange: Exchange, run: Run) -> None:
        super().__init__(exchange._scope, exchange._receive, self._pass_on)
        self.is_ending = False
        """All of it has come: it is being kept, whoever leaves."""
        self.is_told = False
        """How it ended is."""
        self.named = exchange.named
        self._body_is_read = True
        self._exchange = exchange
        self._run = run
        self._gone = False
        self._status = 0
        self._headers: Headers = ()
        self._is_stream = False

    def leave(self) -> None:
        """There is nobody any more to send anything to."""
        self._gone = True

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
            self._is_stream = all(name != b"content-length" for name, _ in self._headers)
            self._exchange.started = not self._gone
        else:
            self._run.recording.add(message.get("body", b""))
            if not message.get("more_body", False):
                await self._end()
        if not self._gone:
            await self._exchange._send(message)

    async def _end(self) -> None:
        if 200 <= self._status < 300 and not self.broken:
            self.is_ending = True
            await self._run.done(self._status, _lasting(self._headers), is_stream=self._is_stream)
            self.is_told = True


async def _see_through(run: Run, overheard: _Overheard, answering: Awaitable[None]) -> None:
    """Raises what `answering` raises. The key is not left behind, however it ends."""
    is_refused = False
    try:
        await answering
    except PolyvoxError as error:
        is_refused = _is_the_requests_fault(error) and not overheard.started
        raise
    finally:
        if not overheard.is_told:
            await (run.refused() if is_refused else run.failed(answered=overheard.started))


def _is_the_requests_fault(error: PolyvoxError) -> bool:
    return not isinstance(error, ProviderError) and 400 <= status_of(error) < 500


def _said(exchange: Exchange, body: bytes) -> tuple[bytes, ...]:
    """What makes the request what it is: all but the key it comes with and who brings it."""
    query = [field for field in parse_qsl(exchange.query, keep_blank_values=True) if field[0] != b"key"]
    asked = [(name, exchange.headers[name]) for name in sorted(exchange.headers) if _says_what(name)]
    return (
        exchange.method.encode(),
        exchange.path.encode(),
        urlencode(query).encode(),
        urlencode(asked).encode(),
        body,
    )


def _says_what(header: bytes) -> bool:
    return header.startswith(b"x-polyvox-") and header not in _OF_THE_MOMENT


def _lasting(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """What is true of an answer whenever it is given."""
    return tuple(
        (name, value) for name, value in headers if name not in _OF_THE_MOMENT and b"ratelimit" not in name
    )


async def _give_again(exchange: Exchange, again: Again) -> None:
    answer = again.answer
    headers = (*answer.headers, (REPLAYED, b"true"), (ORIGINAL, again.request_id.encode()))
    if not answer.is_stream:
        await exchange.respond(answer.status, answer.body, headers)
        return
    await exchange.start(answer.status, headers)
    for piece in _pieces(answer):
        await exchange.write(piece)
    await exchange.end()


def _pieces(answer: KeptAnswer) -> Iterator[bytes]:
    return (answer.body[at : at + _PIECE_BYTES] for at in range(0, len(answer.body), _PIECE_BYTES))
