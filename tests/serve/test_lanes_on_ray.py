"""Lanes on real Ray: cancellation, isolation, killed replicas, back-pressure, memory, scaling."""

import concurrent.futures
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import psutil
import pytest
from openai import OpenAI

from tests.serve.stack import Stack, wait_until


def ask(client: OpenAI, directive: str, *, model: str = "gpt-5.4-mini", **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": f"{threading.get_ident()} [[sandbox: {directive}]]"}]
    return client.chat.completions.create(model=model, messages=messages, **more)


def raw_stream(stack: Stack, directive: str, *, model: str) -> socket.socket:
    """A streaming request whose answer nobody reads unless the test does."""
    body = json.dumps(
        {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": f"[[sandbox: {directive}]]"}],
        }
    ).encode()
    sock = socket.create_connection(("127.0.0.1", stack.port))
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: polyvox\r\n"
        f"Authorization: Bearer {stack.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode() + body)
    return sock


def first_bytes(sock: socket.socket) -> bytes:
    sock.settimeout(15)
    return sock.recv(65_536)


def rss(processes: list[psutil.Process]) -> int:
    return sum(p.memory_info().rss for p in processes)


@pytest.mark.parametrize("model", ["gpt-5.4-mini", "claude-sonnet-5"])
def test_a_client_that_leaves_ends_the_provider_call(stack: Stack, model: str) -> None:
    before = len(stack.meter())
    sock = raw_stream(stack, "tokens=2000 rate=20", model=model)
    assert b"200" in first_bytes(sock)
    sock.close()
    wait_until(lambda: any(line["aborted"] for line in stack.meter()[before:]), within_s=3)


def test_a_call_that_is_billed_to_its_end_is_seen_out(stack: Stack) -> None:
    before = len(stack.meter())
    sock = raw_stream(stack, "tokens=40 rate=40", model="gemini-3.5-flash")
    assert b"200" in first_bytes(sock)
    sock.close()
    wait_until(lambda: any(line["completed"] for line in stack.meter()[before:]), within_s=5)
    assert not any(line["aborted"] for line in stack.meter()[before:])


def test_a_failing_request_hurts_no_neighbour(client: OpenAI) -> None:
    def one(number: int) -> str:
        try:
            if number % 5 == 0:
                ask(client, "fail=500")
            elif number % 5 == 1:
                ask(client, "fail=reset")
            else:
                ask(client, "delay=0.2")
        except openai.InternalServerError:
            return "failed"
        return "fine"

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        outcomes = list(pool.map(one, range(50)))
    assert outcomes == ["failed" if n % 5 < 2 else "fine" for n in range(50)]


def test_a_killed_adapter_fails_no_request_that_had_no_answer_yet(stack: Stack, client: OpenAI) -> None:
    wait_until(lambda: len(stack.replicas("Provider-openai")) == 2, within_s=30)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(ask, client, "delay=1.5") for _ in range(12)]
        streams = [pool.submit(_end_of_stream, client) for _ in range(12)]
        time.sleep(0.8)
        stack.kill(stack.replicas("Provider-openai")[0])
        answers = [future.exception() for future in waiting]
        ends = [future.result() for future in streams]
    assert answers == [None] * 12
    assert set(ends) <= {"done", "typed error"}
    assert ends.count("typed error") <= 11
    ask(client, "delay=0")
    wait_until(lambda: len(stack.replicas("Provider-openai")) == 2, within_s=30)


def _end_of_stream(client: OpenAI) -> str:
    finish = None
    try:
        for chunk in ask(client, "tokens=60 rate=30", stream=True):
            finish = chunk.choices[0].finish_reason if chunk.choices else finish
    except openai.APIError as error:
        return "typed error" if error.code else "untyped error"
    return "done" if finish else "silent end"


def test_a_killed_ledger_loses_no_answer(stack: Stack, client: OpenAI) -> None:
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        running = [pool.submit(ask, client, f"delay={0.1 * n}") for n in range(10)]
        time.sleep(0.3)
        stack.kill(stack.replicas("CostLedger")[0])
        assert [future.exception() for future in running] == [None] * 10
    wait_until(lambda: len(stack.replicas("CostLedger")) == 1, within_s=30)


def test_a_full_adapter_refuses_at_once_and_says_when_to_return(stack: Stack) -> None:
    with ExitStack() as held:
        for _ in range(60):
            sock = raw_stream(stack, "tokens=2000 rate=1 delay=20", model="claude-sonnet-5")
            held.callback(sock.close)
        time.sleep(1)
        with OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as client:
            began = time.monotonic()
            with pytest.raises(openai.InternalServerError) as caught:
                ask(client, "delay=0", model="claude-sonnet-5")
        assert time.monotonic() - began < 1
        assert caught.value.status_code == 503
        assert caught.value.code == "overloaded"
        assert caught.value.response.headers["retry-after"]


def test_slow_readers_do_not_grow_memory(stack: Stack) -> None:
    """Each answer is 20 MB of events; what may wait for its reader on the way is a fraction of that."""
    gateway, adapter = stack.replicas("Gateway"), stack.replicas("Provider-anthropic")
    before = rss(gateway), rss(adapter)
    with ExitStack() as held:
        for _ in range(20):
            sock = raw_stream(stack, "tokens=100000", model="claude-sonnet-5")
            held.callback(sock.close)
            first_bytes(sock)
        time.sleep(4)
        grown = rss(gateway) - before[0], rss(adapter) - before[1]
    assert grown[0] / 20 < 2 * 2**20
    assert grown[1] / 20 < 8 * 2**20


def test_replicas_follow_the_requests_in_flight_and_no_stream_is_cut(stack: Stack) -> None:
    model = "gemini-3.5-flash"
    assert len(stack.replicas("Provider-google")) == 1
    with ExitStack() as held:
        socks = [raw_stream(stack, "tokens=25 rate=1", model=model) for _ in range(30)]
        for sock in socks:
            held.callback(sock.close)
            assert b"200" in first_bytes(sock)
        wait_until(lambda: len(stack.replicas("Provider-google")) == 2, within_s=30)
        for sock in socks:
            assert b"[DONE]" in b"".join(_rest(sock))
    wait_until(lambda: len(stack.replicas("Provider-google")) == 1, within_s=60)


def _rest(sock: socket.socket) -> Iterator[bytes]:
    sock.settimeout(40)
    while data := sock.recv(65_536):
        yield data
        if b"[DONE]" in data:
            return
