"""Embeddings over real HTTP, and from there through a lane, for each protocol that has them."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import openai
import orjson
import pytest
from google import genai
from google.genai import types
from pydantic import SecretStr

from deployments.clients import ProviderLanes
from deployments.lane.client import Lane
from deployments.lane.local import LocalDiscovery
from deployments.lane.server import LaneServer
from deployments.provider import ProviderCalls
from models.catalog import load_catalog
from models.chat import Usage
from models.embedding import EmbeddingCall, EmbeddingRequest
from models.errors import (
    InvalidRequest,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from models.providers.adapter import ProviderAdapter
from models.providers.clients import Host, Protocol
from models.providers.exchange import MAX_EMBEDDINGS_BYTES
from models.providers.profiles import Profiles
from tests.contract.samples import KEY
from tests.contract.scripted import Answer, HangUp, Request, Script, ScriptedProvider, Silence, Stream
from tests.contract.scripted import scripted_provider as a_scripted_provider

_PROFILES = Profiles.load()
_OF_THE_TRANSPORT = {"accept", "accept-encoding", "connection", "content-length", "host"}
_OF_THE_SDK_METHOD = {"x-stainless-read-timeout", "x-stainless-raw-response", "x-stainless-timeout"}


@dataclass(frozen=True)
class Sample:
    protocol: Protocol
    host: str
    model: str
    base_path: str
    path: str

    def answer(self, *vectors: tuple[float, ...], tokens: int = 7) -> bytes:
        body: dict[str, Any]
        if self.protocol == "openai_chat":
            data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            body = {"object": "list", "data": data, "model": "m", "usage": usage}
        else:
            usage = {"promptTokenCount": tokens}
            body = {"embeddings": [{"values": v} for v in vectors], "usageMetadata": usage}
        return json.dumps(body).encode()

    def error(self, status: int, message: str) -> bytes:
        error = {"message": message, "type": "t", "code": status, "status": "SOME_ERROR"}
        return json.dumps({"error": error}).encode()


OPENAI = Sample(
    protocol="openai_chat",
    host="openai",
    model="text-embedding-3-small",
    base_path="/v1",
    path="/v1/embeddings",
)
GOOGLE = Sample(
    protocol="google_generate",
    host="google",
    model="gemini-embedding-001",
    base_path="",
    path="/v1/models/gemini-embedding-001:batchEmbedContents",
)


@pytest.fixture(params=[OPENAI, GOOGLE], ids=lambda sample: sample.protocol)
def sample(request: pytest.FixtureRequest) -> Sample:
    assert isinstance(request.param, Sample)
    return request.param


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedProvider]:
    async with a_scripted_provider() as provider:
        yield provider


@pytest.fixture
async def adapter(sample: Sample, provider: ScriptedProvider) -> AsyncIterator[ProviderAdapter]:
    url = provider.url + sample.base_path
    host = Host(id=sample.host, protocol=sample.protocol, key=SecretStr(KEY), base_url=url)
    adapter = ProviderAdapter(host, profiles=_PROFILES)
    yield adapter
    await adapter.close()


def call(sample: Sample, *inputs: str, **limits: float) -> EmbeddingCall:
    request = EmbeddingRequest(model="whatever", inputs=inputs or ("one", "two"), dimensions=2)
    return EmbeddingCall(
        request=request, host=sample.host, model=sample.model, request_id="req_1/0", **limits
    )


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def headers_of(request: Request) -> dict[str, str]:
    left_out = _OF_THE_TRANSPORT | _OF_THE_SDK_METHOD
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in left_out}


async def ask_by_documented_method(sample: Sample, url: str) -> None:
    if sample.protocol == "openai_chat":
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as gpt:
            await gpt.embeddings.create(model=sample.model, input=["one", "two"], dimensions=2)
        return
    contents: Any = [types.Content(parts=[types.Part(text=text)]) for text in ("one", "two")]
    with genai.Client(enterprise=False, api_key=KEY, http_options=types.HttpOptions(base_url=url)) as gemini:
        await gemini.aio.models.embed_content(
            model=sample.model, contents=contents, config={"output_dimensionality": 2}
        )
        await gemini.aio.aclose()


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")  # google-genai's own session
async def test_a_request_is_the_same_as_from_the_sdks_documented_method(
    sample: Sample, provider: ScriptedProvider, adapter: ProviderAdapter
) -> None:
    provider.script = Answer(body=sample.answer((1, 0), (0, 1)))
    await ask_by_documented_method(sample, provider.url)
    for _ in range(2):
        await adapter.embed(call(sample))
    theirs, first, second = provider.requests
    assert (first.method, first.path) == (theirs.method, theirs.path) == ("POST", sample.path)
    assert headers_of(first) == headers_of(second) == headers_of(theirs) | {"x-client-request-id": "req_1/0"}
    assert orjson.loads(first.body) == orjson.loads(theirs.body)


async def test_vectors_and_usage_are_read(
    sample: Sample, provider: ScriptedProvider, adapter: ProviderAdapter
) -> None:
    provider.script = Answer(body=sample.answer((1, 0.5), (0, -1)))
    response = await adapter.embed(call(sample))
    assert response.vectors == (packed(1, 0.5), packed(0, -1))
    assert response.usage == Usage(input=7)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRefused),
        (401, ProviderAuthFailed),
        (404, ProviderRefused),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
    ],
)
async def test_an_error_status(
    sample: Sample,
    provider: ScriptedProvider,
    adapter: ProviderAdapter,
    status: int,
    kind: type[PolyvoxError],
) -> None:
    provider.script = Answer(status, sample.error(status, f"no, {KEY} is wrong"), {"Retry-After": "7"})
    error = await fails(adapter, call(sample))
    assert type(error) is kind
    assert (error.status, error.retry_after_s, error.provider) == (status, 7.0, sample.host)
    assert KEY not in repr(error.details())
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (HangUp(), ProviderUnavailable),
        (HangUp(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), ProviderUnavailable),
        (Answer(body=b"not the protocol"), ProviderGarbled),
        (Answer(body=b"[1, 2]"), ProviderGarbled),
        (Answer(body=OPENAI.answer((1, 0))), ProviderGarbled),
        (Answer(body=GOOGLE.answer((1, 0))), ProviderGarbled),
        (Stream([b" " * 2**20] * (MAX_EMBEDDINGS_BYTES // 2**20 + 1)), ProviderGarbled),
        (Silence(), ProviderTimeout),
    ],
    ids=["reset", "cut", "not-json", "list", "too-few", "too-few-of-google", "too-large", "silence"],
)
async def test_u7_an_answer_that_is_none(
    sample: Sample,
    provider: ScriptedProvider,
    adapter: ProviderAdapter,
    script: Script,
    kind: type[PolyvoxError],
) -> None:
    provider.script = script
    limit_s = 0.1 if isinstance(script, Silence) else 30.0
    error = await fails(adapter, call(sample, first_byte_timeout_s=limit_s))
    assert (type(error), error.provider, error.model, error.sent) == (kind, sample.host, sample.model, True)


async def test_no_connection(sample: Sample) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    host = Host(id=sample.host, protocol=sample.protocol, key=SecretStr(KEY), base_url=url)
    adapter = ProviderAdapter(host, profiles=_PROFILES)
    error = await fails(adapter, call(sample))
    assert (type(error), error.sent) == (ProviderUnavailable, False)
    await adapter.close()


async def test_a_provider_without_embeddings_is_not_asked(provider: ScriptedProvider) -> None:
    host = Host(id="anthropic", protocol="anthropic_messages", key=SecretStr(KEY), base_url=provider.url)
    adapter = ProviderAdapter(host, profiles=_PROFILES)
    error = await fails(adapter, call(OPENAI))
    assert (type(error), error.sent, provider.requests) == (InvalidRequest, False, [])
    await adapter.close()


@pytest.fixture
async def lanes(sample: Sample, adapter: ProviderAdapter) -> AsyncIterator[ProviderLanes]:
    calls = ProviderCalls({sample.host: adapter})
    server = LaneServer({"embed": calls.embed}, replica="r", max_in_flight=10)
    lane = Lane(LocalDiscovery({"r": server}), name="providers", retries=0)
    yield ProviderLanes(load_catalog(), dict.fromkeys(("openai", "anthropic", "google"), lane))
    lane.close()
    await server.stop()


async def test_vectors_come_through_a_lane_in_order(
    sample: Sample, provider: ScriptedProvider, lanes: ProviderLanes
) -> None:
    inputs = [f"text {i}" for i in range(100)]
    provider.script = Answer(body=sample.answer(*((float(i),) * 256 for i in range(100))))
    response = await lanes.embed(call(sample, *inputs))
    assert response.vectors == tuple(packed(*(float(i),) * 256) for i in range(100))
    assert response.usage == Usage(input=7)


async def test_errors_come_through_a_lane(
    sample: Sample, provider: ScriptedProvider, lanes: ProviderLanes
) -> None:
    provider.script = Answer(429, sample.error(429, "slow down"), {"Retry-After": "7"})
    with pytest.raises(ProviderRateLimited) as failure:
        await lanes.embed(call(sample))
    assert (failure.value.status, failure.value.retry_after_s) == (429, 7.0)


async def test_cancelling_reaches_the_provider_through_a_lane(
    sample: Sample, provider: ScriptedProvider, lanes: ProviderLanes
) -> None:
    provider.script = Silence()
    task = asyncio.create_task(lanes.embed(call(sample)))
    await provider.arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2.0):
        await provider.disconnected.wait()


async def fails(adapter: ProviderAdapter, asked: EmbeddingCall) -> PolyvoxError:
    with pytest.raises(PolyvoxError) as failure:
        await adapter.embed(asked)
    return failure.value
