"""Requests as bytes on a socket: what no HTTP client would send, too."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

WITHIN_S = 30.0


@dataclass(frozen=True)
class Answer:
    """Of the first response; status 0 where the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    key: str = "",
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """`path` as it is to stand in the request's first line."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", "Connection: close"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(body)}"] if body or method in ("POST", "PUT", "PATCH") else []
    return raw(url, ["\r\n".join([*lines, "", ""]).encode("latin-1"), body])


def raw(url: str, pieces: Iterable[bytes], *, half_close: bool = False) -> Answer:
    """Sends all pieces, or until it is cut off; `half_close`: and says then that no more will come."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=WITHIN_S) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough: what it said is still there to be read
        return _read(connection)


def _read(connection: socket.socket) -> Answer:
    said = b""
    try:
        while part := connection.recv(65_536):
            said += part
    except ConnectionResetError:
        pass
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(first.split()[1]) if first.startswith("HTTP/1.1 ") else 0
    headers = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _joined(body)
    return Answer(status, headers, body)


def _joined(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        joined, body = joined + body[:length], body[length + 2 :]
    return joined
