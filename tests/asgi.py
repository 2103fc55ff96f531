"""A client of an ASGI application in this process: what a server would hand it, and what it answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from deployments.api.exchange import REQUEST_ID

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Response:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """The `data:` lines of a stream: parsed, `[DONE]` as it stands."""
        data = [line[6:] for line in self.body.decode().split("\n\n") if line.startswith("data: ")]
        return [d if d == "[DONE]" else json.loads(d) for d in data]


class Client:
    """`parts` of a body are sent one by one; `leave_after` many response parts the client is gone."""

    def __init__(self, app: App, *, key: str | None = None) -> None:
        self._app = app
        self._key = key
        self.read = 0
        """How many parts of the last request's body the application took."""

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | dict[str, Any] = b"",
        *,
        headers: dict[str, str] | None = None,
        leave_after: int | None = None,
    ) -> Response:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        parts = iter([body] if isinstance(body, bytes) else body)
        sent = {"authorization": f"Bearer {self._key}"} if self._key else {}
        sent |= headers or {}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items()],
            "query_string": b"",
            REQUEST_ID: "req_1",
        }
        response = Response()
        gone = asyncio.Event()
        self.read = 0
        following = next(parts, None)

        async def receive() -> dict[str, Any]:
            nonlocal following
            if following is None and self.read:
                await gone.wait()
                return {"type": "http.disconnect"}
            part, following = following or b"", next(parts, None)
            self.read += 1
            return {"type": "http.request", "body": part, "more_body": following is not None}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                response.status = message["status"]
                response.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                response.parts.append(message.get("body", b""))
                response.ended = not message.get("more_body", False)
            if leave_after is not None and len(response.parts) >= leave_after:
                gone.set()
            await asyncio.sleep(0)

        if leave_after == 0:
            asyncio.get_running_loop().call_later(0.02, gone.set)
        await asyncio.wait_for(self._app(scope, receive, send), 10)
        return response
