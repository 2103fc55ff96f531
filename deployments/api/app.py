"""Routes and the one boundary where errors become responses."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

from deployments.api import gemini, messages, responses
from deployments.api.auth import Authenticator, principal_of
from deployments.api.chat import ENDPOINT as CHAT
from deployments.api.chat import chat_completions
from deployments.api.conversing import SEND_WITH_MODEL, SWITCH_MODEL, send_with_model, switch_model
from deployments.api.door import Door
from deployments.api.embeddings import ENDPOINT as EMBEDDINGS
from deployments.api.embeddings import embeddings
from deployments.api.errors import Dialect, dialect_of, failure
from deployments.api.exchange import (
    Asgi,
    ClientGone,
    Exchange,
    Receive,
    Scope,
    Send,
    while_connected,
)
from deployments.api.idempotency import HEADER as IDEMPOTENCY_KEY
from deployments.api.idempotency import AnsweredOnce
from deployments.api.management.access import PRINCIPAL
from deployments.api.model_list import model_list, one_model
from deployments.api.paths import VERSIONS, model_in, pattern_of
from deployments.api.way_in import Answering
from models.conversations import ConversationStore
from models.embedder import Embedder
from models.errors import Internal, MethodNotAllowed, NotFound, PolyvoxError
from models.gateway import Gateway
from models.identity import Principal

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10 * 1024 * 1024
_READING = ("GET", "HEAD")
"""How health can be asked for."""

Check = Callable[[], Awaitable[dict[str, str]]]
"""What is not ready, by name; empty when all is."""

Handler = Callable[[Exchange, Principal, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route that needs a key."""

    method: str
    path: str
    handler: Handler
    is_billable: bool
    """Whether it calls providers: what that costs goes through the ledger."""


class Api:
    """The ASGI application. Everything but health needs a key."""

    def __init__(
        self,
        gateway: Gateway,
        authenticator: Authenticator,
        *,
        unready: Check,
        sandboxed: frozenset[str] = frozenset(),
        embedder: Embedder | None = None,
        conversations: ConversationStore | None = None,
        management: Asgi | None = None,
        digest_key: bytes = b"",
        door: Door | None = None,
        once: AnsweredOnce | None = None,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """`management` answers for whatever is not on the hot path; who calls is in its scope.

        Without `embedder` there are no embeddings, without `conversations` no response is kept.
        Whatever is billable passes `door`, and with an idempotency key is answered `once`. `digest_key` keys
        the digests of request bodies; `on_start` is called once there is an event loop.
        """
        self.in_flight = 0
        self._gateway = gateway
        self._authenticator = authenticator
        self._unready = unready
        self._sandboxed = sandboxed
        self._management = management
        self._digest_key = digest_key
        self._door = door
        self._once = once
        self._on_start = on_start
        self._open: dict[str, Callable[[Exchange], Awaitable[None]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }
        self.routes = [
            Route("POST", CHAT, self._chat, is_billable=True),
            Route("POST", SEND_WITH_MODEL, self._send_with_model, is_billable=True),
            Route("POST", SWITCH_MODEL, self._switch_model, is_billable=False),
        ]
        for version in VERSIONS:
            self.routes.append(Route("GET", f"{version}/models", self._models, is_billable=False))
            self.routes.append(Route("GET", f"{version}/models/{{model}}", self._model, is_billable=False))
        for way in (*messages.ROUTES, *responses.routes(conversations), *gemini.ROUTES):
            handler = partial(self._enter, way.answer)
            self.routes.append(Route(way.method, way.path, handler, is_billable=way.is_billable))
        if embedder is not None:
            self._embedder = embedder
            self.routes.append(Route("POST", EMBEDDINGS, self._embed, is_billable=True))
        self._guarded: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            self._guarded.setdefault(route.path, {})[route.method] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)
        self.in_flight += 1
        try:
            await self._handle(exchange)
        except ClientGone:
            log.info("client left: %s", exchange.request_id)
        except PolyvoxError as error:
            await self._fail(exchange, error)
        except Exception:  # the boundary: a bug becomes a plain 500 without a stack in it
            log.exception("request %s failed", exchange.request_id)
            await self._fail(exchange, Internal("internal error"))
        finally:
            self.in_flight -= 1

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            if message["type"] == "lifespan.startup":
                self._on_start()
                await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def _handle(self, exchange: Exchange) -> None:
        if exchange.path in self._open:
            if exchange.method not in _READING:
                raise MethodNotAllowed(f"{exchange.path} takes {_READING[0]}")
            await self._open[exchange.path](exchange)
            return
        principal = await principal_of(exchange.headers, self._authenticator, query=exchange.query)
        routes = self._routes_of(exchange.path)
        if routes is None and self._management is not None:
            await exchange.hand_over(self._management, **{PRINCIPAL: principal})
            return
        if routes is None:
            raise NotFound(f"there is no {exchange.path[:200]}")
        route = routes.get(exchange.method)
        if route is None:
            raise MethodNotAllowed(f"{exchange.path} takes {', '.join(routes)}")
        if self._door is None or not route.is_billable:
            await self._answer(route, exchange, principal)
            return
        async with self._door.passed(exchange, principal, _dialect(exchange)):
            await self._answer(route, exchange, principal)

    async def _answer(self, route: Route, exchange: Exchange, principal: Principal) -> None:
        body = await exchange.body(limit=MAX_BODY_BYTES)
        if self._once is not None and route.is_billable and IDEMPOTENCY_KEY in exchange.headers:
            work: Awaitable[None] = self._once.answer(exchange, principal, body, route.handler)
        else:
            work = route.handler(exchange, principal, body)
        await while_connected(exchange, work)

    def _routes_of(self, path: str) -> dict[str, Route] | None:
        return self._guarded.get(path) or self._guarded.get(pattern_of(path))

    async def _fail(self, exchange: Exchange, error: PolyvoxError) -> None:
        if exchange.started:
            return  # the connection closes without an end, which is the only sign left
        if isinstance(error, Internal):
            log.error("request %s: %s", exchange.request_id, error.message)
            error = Internal("internal error")
        status, body, headers = failure(error, _dialect(exchange), request_id=exchange.request_id)
        if isinstance(error, MethodNotAllowed):
            headers = (*headers, (b"allow", ", ".join(self._routes_of(exchange.path) or _READING).encode()))
        await exchange.respond(status, body, headers)

    async def _chat(self, exchange: Exchange, principal: Principal, body: bytes) -> None:
        await chat_completions(exchange, self._gateway, principal, body, digest=self._digest(body))

    async def _enter(self, answer: Answering, exchange: Exchange, principal: Principal, body: bytes) -> None:
        await answer(exchange, self._gateway, principal, body, self._digest(body))

    async def _send_with_model(self, exchange: Exchange, principal: Principal, body: bytes) -> None:
        await send_with_model(exchange, self._gateway, principal, body, digest=self._digest(body))

    async def _switch_model(self, exchange: Exchange, principal: Principal, body: bytes) -> None:
        await switch_model(exchange, self._gateway, principal, body)

    async def _embed(self, exchange: Exchange, principal: Principal, body: bytes) -> None:
        await embeddings(exchange, self._embedder, principal, body, digest=self._digest(body))

    def _digest(self, body: bytes) -> str:
        return f"\\x{blake2b(body, key=self._digest_key, digest_size=16).hexdigest()}"

    async def _models(self, exchange: Exchange, _: Principal, __: bytes) -> None:
        catalog, available = self._gateway.catalog, self._gateway.available
        listed = model_list(catalog, available, self._sandboxed, dialect=_dialect(exchange))
        await exchange.respond(200, listed)

    async def _model(self, exchange: Exchange, _: Principal, __: bytes) -> None:
        catalog, available, dialect = self._gateway.catalog, self._gateway.available, _dialect(exchange)
        name = model_in(exchange.path)
        await exchange.respond(200, one_model(name, catalog, available, self._sandboxed, dialect=dialect))

    async def _healthz(self, exchange: Exchange) -> None:
        await exchange.respond(200, b'{"status":"ok"}')

    async def _readyz(self, exchange: Exchange) -> None:
        missing = await self._unready()
        if missing:
            names = ", ".join(f'"{name}"' for name in sorted(missing))
            await exchange.respond(503, f'{{"status":"starting","waiting_for":[{names}]}}'.encode())
        else:
            await exchange.respond(200, b'{"status":"ready"}')


def _dialect(exchange: Exchange) -> Dialect:
    return dialect_of(exchange.path, exchange.headers, exchange.query)
