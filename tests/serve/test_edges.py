"""What a careless or hostile client sends to the running product."""

import json
import socket
from typing import Any

import httpx2
import pytest

from tests.serve.stack import Stack

PATH = "/v1/chat/completions"


def post(stack: Stack, body: Any, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": f"Bearer {stack.key}"} | headers
    return httpx2.post(f"{stack.url}{PATH}", content=content, headers=sent, timeout=20)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[" * 50_000, b"\x00\xff", {"model": 1}])
def test_bad_bodies_are_400s_in_openais_shape(stack: Stack, body: Any) -> None:
    response = post(stack, body)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_an_oversize_body_is_a_413(stack: Stack) -> None:
    text = "x" * (11 * 2**20)
    response = post(stack, {"model": "gpt", "messages": [{"role": "user", "content": text}]})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "payload_too_large"


def test_a_body_without_end_is_not_taken_in(stack: Stack) -> None:
    [gateway] = stack.replicas("Gateway")
    before = gateway.memory_info().rss
    with socket.create_connection(("127.0.0.1", stack.port)) as sock:
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: p\r\n"
            f"Authorization: Bearer {stack.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        sock.sendall(head.encode())
        sent = 0
        try:
            for _ in range(200):
                sock.sendall(b"100000\r\n" + bytes(2**20) + b"\r\n")
                sent += 2**20
        except OSError:
            pass
    assert sent < 64 * 2**20
    assert gateway.memory_info().rss - before < 64 * 2**20


def test_serves_own_headers_are_not_obeyed(stack: Stack) -> None:
    asked = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "[[sandbox: delay=0.5]]"}]}
    response = post(stack, asked, **{"x-request-timeout-seconds": "0.01", "x-request-id": "evil"})
    assert response.status_code == 200
    assert "evil" not in str(response.headers)


@pytest.mark.parametrize("path", ["/-/routes", "/metrics", "/docs", "/openapi.json", "/v1/../v1/models"])
def test_nothing_is_open_by_accident(stack: Stack, path: str) -> None:
    response = httpx2.get(f"{stack.url}{path}", timeout=10)
    assert response.status_code in (401, 404)
