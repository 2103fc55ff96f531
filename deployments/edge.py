"""The outermost ASGI layer of replicas that take HTTP: `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` names it.

Serve honours some request headers from anyone and, to notice a client that leaves, reads the whole
body into an unbounded queue. Here the headers are dropped, and that reading is switched off: the API
reads a body only as far as its limit and watches for the disconnect itself. The request's id is made
here too, so that Serve and Polyvox call it the same.
"""

import os

from starlette.middleware import Middleware

from deployments.api.exchange import REQUEST_ID, Asgi, Receive, Scope, Send

_DROPPED = frozenset(
    {
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"x-request-id",
        b"x-session-id",
        b"serve_multiplexed_model_id",
    }
)
_OURS = (b"x-request-disconnect-disabled", b"?1")


class Edge:
    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request_id = scope[REQUEST_ID] = f"req_{os.urandom(12).hex()}"
            headers = [h for h in scope["headers"] if h[0] not in _DROPPED]
            scope["headers"] = [*headers, _OURS, (b"x-request-id", request_id.encode())]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    return [Middleware(Edge)]
