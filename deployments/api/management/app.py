"""The routers of the management surface as one application, with the errors of the whole."""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.errors import openai_fields, retry_headers, status_of
from deployments.api.exchange import JSON, ClientGone, Exchange, Headers
from deployments.api.openapi import completed
from models.dialects.openai_chat import encode_error
from models.errors import Internal, InvalidRequest, MethodNotAllowed, NotFound, PolyvoxError

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 10 * 1024 * 1024
"""Of a conversation that is brought along, at most."""

_NO_STORE = (b"cache-control", b"no-store")
"""What is told is for one caller, and may be a key."""


def create_management(routers: Sequence[APIRouter]) -> FastAPI:
    """An ASGI application that never raises; its `scope` has to say who calls (see `access`)."""
    app = FastAPI(
        title="Polyvox",
        summary="One endpoint for GPT, Claude and Gemini, in each one's own words.",
        openapi_url=None,  # it is answered with what others answer
        docs_url=None,  # the page would load scripts from a host of others
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        middleware=[Middleware(_Edge)],
        exception_handlers={
            PolyvoxError: _on_error,
            RequestValidationError: _on_invalid,
            HTTPException: _on_http,
        },
    )
    for router in routers:
        app.include_router(router)
    app.add_route("/openapi.json", _Description(app).answer, include_in_schema=False)
    return app


class _Description:
    """The whole surface's, made when it is first asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def _body(self) -> bytes:
        return msgspec.json.encode(completed(self._app.openapi()))

    def answer(self, _: Request) -> Response:
        return Response(self._body, media_type="application/json")


class _Edge:
    """Reads the body up to its limit, names the request in the answer, and lets no exception out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                await exchange.start(message["status"], (*message["headers"], _NO_STORE))
            else:
                await send(message)

        try:
            body = b"" if exchange.method == "GET" else await exchange.body(limit=MAX_BODY_BYTES)
            await self._app(_as_json(scope), _Whole(body, receive), send_named)
        except ClientGone:
            log.info("client left: %s", exchange.request_id)
        except Exception as error:  # the boundary: a bug becomes a plain 500 without a text
            if not isinstance(error, PolyvoxError):
                log.exception("request %s failed", exchange.request_id)
            if not exchange.started:
                await exchange.respond(*_answer(error))


def _as_json(scope: Scope) -> Scope:
    """Bodies are JSON whatever they are called: curl calls all that it sends a form."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    return {**scope, "headers": [*headers, JSON]}


class _Whole:
    """`receive` of a request whose body has been read."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _on_error(_: Request, error: Exception) -> Response:
    return _response(error)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    if first["type"] == "json_invalid":
        return _response(InvalidRequest("the body is not JSON"))
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return _response(InvalidRequest(f"{where[:200]}: {first['msg']}", param=where[:200]))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    if error.status_code == 405:
        response = _response(MethodNotAllowed(f"{path} does not take {request.method[:20]}"))
        response.headers.update(error.headers or {})
        return response
    if error.status_code == 404:
        return _response(NotFound(f"there is no {path}"))
    return _response(InvalidRequest("the request cannot be read"))


def _response(error: Exception) -> Response:
    status, body, headers = _answer(error)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


def _answer(error: Exception) -> tuple[int, bytes, Headers]:
    known = error if isinstance(error, PolyvoxError) else Internal("internal error")
    if isinstance(known, Internal):
        log.error("internal error: %s", known.message)
        known = Internal("internal error")
    return status_of(known), encode_error(openai_fields(known)), (JSON, *retry_headers(known))
