"""The meter: a line for each call that the provider would bill, equal to what the client was told."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deployments.sandbox.tokens import count
from tests.contract_sandbox.conftest import Sandbox, start

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKS: dict[str, tuple[str, Any]] = {
    "openai": (
        "/openai/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "TEXT"}]},
    ),
    "anthropic": (
        "/anthropic/v1/messages",
        {"model": "claude-haiku-4-5", "max_tokens": 900, "messages": [{"role": "user", "content": "TEXT"}]},
    ),
    "google": (
        "/google/v1/models/gemini-3.5-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "TEXT"}]}]},
    ),
}
HEADERS = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}


def ask(provider: str, text: str, *, stream: bool = False) -> tuple[str, Any]:
    path, body = ASKS[provider]
    body = json.loads(json.dumps(body).replace("TEXT", text))
    if stream and provider == "google":
        return path.replace(":generateContent", ":streamGenerateContent?alt=sse"), body
    return path, body | ({"stream": True} if stream else {})


@pytest.mark.parametrize("provider", ASKS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_is_metered_once_with_what_was_told(
    sandbox: Sandbox, http: httpx2.AsyncClient, provider: str, stream: bool
) -> None:
    path, body = ask(provider, "Hi [[sandbox: tokens=30 cached=2 reasoning=4 usage=zero]]", stream=stream)
    name = f"once-{provider}-{stream}"
    headers = HEADERS | {"x-client-request-id": name, "idempotency-key": "i1"}
    answer = await http.post(sandbox.url + path, json=body, headers=headers)
    line = await sandbox.line(client_request_id=name)
    assert line.request_id in (answer.headers.get("x-request-id"), answer.headers.get("request-id"))
    assert (line.provider, line.stream, line.status, line.idempotency) == (provider, stream, 200, "i1")
    assert (line.completed, line.aborted) == (True, False)
    assert line.input_tokens + line.cache_read_tokens == count(
        "Hi [[sandbox: tokens=30 cached=2 reasoning=4 usage=zero]]"
    )
    assert (line.cache_read_tokens, line.output_tokens, line.reasoning_tokens) == (2, 34, 4)


@pytest.mark.parametrize(
    ("provider", "billed"), [("openai", range(2, 9)), ("anthropic", range(2, 9)), ("google", range(200, 201))]
)
async def test_a_stream_that_its_client_leaves_costs_what_was_sent_and_at_google_all(
    sandbox: Sandbox, http: httpx2.AsyncClient, provider: str, billed: range
) -> None:
    path, body = ask(provider, "Hi [[sandbox: tokens=200 rate=20]]", stream=True)
    name = f"left-{provider}"
    headers = HEADERS | {"x-client-request-id": name}
    async with http.stream("POST", sandbox.url + path, json=body, headers=headers) as answer:
        seen = b""
        async for part in answer.aiter_bytes():
            seen += part
            if seen.count(b"\n\n") + seen.count(b"\r\n\r\n") >= 5:
                break
    line = await sandbox.line(client_request_id=name)
    assert (line.completed, line.aborted) == (False, True)
    assert line.output_tokens in billed


@pytest.mark.parametrize(
    ("directive", "completed", "aborted", "output"),
    [("die_after=5", False, True, 5), ("error_after=5", False, False, 5), ("tokens=9", True, False, 9)],
)
async def test_a_stream_that_the_provider_breaks_costs_what_was_sent(
    sandbox: Sandbox, http: httpx2.AsyncClient, directive: str, completed: bool, aborted: bool, output: int
) -> None:
    path, body = ask("openai", f"Hi [[sandbox: {directive}]]", stream=True)
    headers = HEADERS | {"x-client-request-id": directive}
    try:
        await http.post(sandbox.url + path, json=body, headers=headers)
    except httpx2.RemoteProtocolError:
        assert aborted
    line = await sandbox.line(client_request_id=directive)
    assert (line.completed, line.aborted, line.output_tokens) == (completed, aborted, output)


async def test_a_failed_call_costs_nothing_unless_only_its_answer_was_lost(
    sandbox: Sandbox, http: httpx2.AsyncClient
) -> None:
    for name, directive in (
        ("free", "fail=500"),
        ("lost", "fail=500 billed=1"),
        ("cut", "fail=reset billed=1"),
    ):
        path, body = ask("openai", f"Hi [[sandbox: {directive}]]")
        try:
            await http.post(sandbox.url + path, json=body, headers=HEADERS | {"x-client-request-id": name})
        except httpx2.NetworkError:
            assert name == "cut"
    lost = await sandbox.line(client_request_id="lost")
    cut = await sandbox.line(client_request_id="cut")
    assert (lost.status, lost.completed, lost.output_tokens > 0) == (500, False, True)
    assert (cut.status, cut.completed, cut.aborted) == (0, False, True)
    assert not [line for line in sandbox.lines() if line.client_request_id == "free"]


async def test_embeddings_cost_their_input(sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
    body = {"model": "text-embedding-3-small", "input": ["four", "five!"]}
    headers = HEADERS | {"x-client-request-id": "embedded"}
    await http.post(f"{sandbox.url}/v1/embeddings", json=body, headers=headers)
    line = await sandbox.line(client_request_id="embedded")
    assert (line.endpoint, line.input_tokens, line.output_tokens) == ("embeddings", 3, 0)


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, "1"), (signal.SIGINT, "2")])
async def test_lines_equal_calls_when_it_is_ended_in_the_middle(
    tmp_path: Path, number: int, workers: str
) -> None:
    running = start(tmp_path, "--workers", workers)
    async with httpx2.AsyncClient(verify=False, base_url=running.url, headers=HEADERS) as client:
        for n in range(30):
            path, body = ask("openai", f"Hi {n}")
            await client.post(path, json=body, headers={"x-client-request-id": f"whole {n}"})
        path, body = ask("anthropic", "Hi [[sandbox: rate=1 tokens=60]]", stream=True)
        open_streams = [
            client.send(client.build_request("POST", path, json=body), stream=True) for _ in range(5)
        ]
        answers = await asyncio.gather(*open_streams)
        running.process.send_signal(number)
        assert await asyncio.to_thread(running.process.wait, 10) == 0
        for answer in answers:
            with pytest.raises(httpx2.HTTPError):
                await answer.aread()
            await answer.aclose()
    lines = running.lines()
    assert sorted(line.client_request_id for line in lines if line.completed) == sorted(
        f"whole {n}" for n in range(30)
    )
    aborted = [line for line in lines if line.aborted]
    assert [line.output_tokens for line in aborted] == [1] * 5
    assert len(lines) == 35
    assert len({line.request_id for line in lines}) == 35


async def test_a_crash_loses_no_line_that_is_older_than_a_group(tmp_path: Path) -> None:
    running = start(tmp_path)
    async with httpx2.AsyncClient(verify=False, base_url=running.url, headers=HEADERS) as client:
        path, body = ask("google", "Hi")
        await client.post(path, json=body, headers={"x-client-request-id": "kept"})
        await running.line(client_request_id="kept")
    running.process.kill()
    running.process.wait(10)
    assert len(running.lines()) == 1
