"""The smallest application that Serve can run, in place of the gateway."""

import os
from typing import Any

from ray import serve
from starlette.types import Receive, Scope, Send


class Echo:
    """Answers with what a test wants to know of the process behind the proxy."""

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = [(b"x-instance", os.environ.get("POLYVOX_INSTANCE", "").encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = "\n".join(f"{name.decode()}: {value.decode()}" for name, value in scope["headers"])
        await send({"type": "http.response.body", "body": body.encode()})


class Gateway:
    """Nothing but the ingress."""


def build(_arguments: dict[str, Any]) -> serve.Application:
    application: serve.Application = serve.deployment()(serve.ingress(Echo())(Gateway)).bind()
    return application
