"""A sandbox in a process of its own, and the official SDKs pointed at it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from google import genai
from google.genai.types import HttpOptions
from openai import AsyncOpenAI

from deployments.sandbox.meter import Line


@dataclass
class Sandbox:
    process: subprocess.Popen[str]
    url: str
    meter: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def lines(self) -> list[Line]:
        """Those that are written to their end."""
        if not self.meter.exists():
            return []
        whole, _, _ = self.meter.read_bytes().rpartition(b"\n")
        return msgspec.json.Decoder(Line).decode_lines(whole)

    async def line(self, *, client_request_id: str) -> Line:
        """The meter's line for a call, which is on disk a moment after the call's end."""
        async with asyncio.timeout(5):
            while True:
                found = [each for each in self.lines() if each.client_request_id == client_request_id]
                if found:
                    assert len(found) == 1
                    return found[0]
                await asyncio.sleep(0.005)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


def start(directory: Path, *options: str) -> Sandbox:
    meter = directory / "meter.jsonl"
    command = [sys.executable, "-m", "deployments.sandbox", "--port", "0", "--meter", str(meter), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as told:
        ready = told.readline()
    assert ready.startswith("sandbox ready http://"), ready
    return Sandbox(process, ready.split()[2], meter)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = start(tmp_path_factory.mktemp("sandbox"))
    yield running
    assert running.stop() == 0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    # Plain HTTP on loopback: without trust stores a client is made in no time.
    async with httpx2.AsyncClient(verify=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def openai(sandbox: Sandbox, http: httpx2.AsyncClient) -> AsyncOpenAI:
    url = f"{sandbox.url}/openai/v1"
    return AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http)


@pytest.fixture(scope="session")
def anthropic(sandbox: Sandbox, http: httpx2.AsyncClient) -> AsyncAnthropic:
    url = f"{sandbox.url}/anthropic"
    return AsyncAnthropic(api_key="k", base_url=url, max_retries=0, http_client=http)


@pytest.fixture(scope="session")
def google(sandbox: Sandbox, http: httpx2.AsyncClient) -> genai.client.AsyncClient:
    options = HttpOptions(base_url=f"{sandbox.url}/google", httpx_async_client=http)
    return genai.Client(api_key="k", http_options=options).aio
