"""What a request can make the sandbox do, at each of the three providers."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import anthropic as anthropic_sdk
import httpx2
import openai as openai_sdk
import pytest
from anthropic import AsyncAnthropic
from google.genai import errors as google_errors
from google.genai.client import AsyncClient
from openai import AsyncOpenAI

from tests.contract_sandbox.conftest import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")

Provider = Literal["openai", "anthropic", "google"]
PROVIDERS: tuple[Provider, ...] = ("openai", "anthropic", "google")


@dataclass
class Caller:
    """One way to ask all three: text in, text out, the SDK's own errors."""

    openai: AsyncOpenAI
    anthropic: AsyncAnthropic
    google: AsyncClient

    async def ask(self, provider: Provider, text: str) -> str:
        if provider == "openai":
            answer = await self.openai.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": text}]
            )
            return answer.choices[0].message.content or ""
        if provider == "anthropic":
            said: Any = await self.anthropic.messages.create(
                model="claude-haiku-4-5", max_tokens=9000, messages=[{"role": "user", "content": text}]
            )
            return str(said.content[0].text)
        return (await self.google.models.generate_content(model="gemini-3.5-flash", contents=text)).text or ""

    async def stream(self, provider: Provider, text: str) -> AsyncIterator[str]:
        if provider == "openai":
            async for chunk in await self.openai.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": text}], stream=True
            ):
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content
        elif provider == "anthropic":
            async with self.anthropic.messages.stream(
                model="claude-haiku-4-5", max_tokens=9000, messages=[{"role": "user", "content": text}]
            ) as stream:
                async for piece in stream.text_stream:
                    yield piece
        else:
            model = "gemini-3.5-flash"
            async for part in await self.google.models.generate_content_stream(model=model, contents=text):
                if part.text:
                    yield part.text


@pytest.fixture
def caller(openai: AsyncOpenAI, anthropic: AsyncAnthropic, google: AsyncClient) -> Caller:
    return Caller(openai, anthropic, google)


@pytest.mark.parametrize(
    ("provider", "status", "error"),
    [
        ("openai", "400", openai_sdk.BadRequestError),
        ("openai", "401", openai_sdk.AuthenticationError),
        ("openai", "403", openai_sdk.PermissionDeniedError),
        ("openai", "404", openai_sdk.NotFoundError),
        ("openai", "413", openai_sdk.APIStatusError),
        ("openai", "422", openai_sdk.UnprocessableEntityError),
        ("openai", "429", openai_sdk.RateLimitError),
        ("openai", "500", openai_sdk.InternalServerError),
        ("openai", "503", openai_sdk.InternalServerError),
        ("openai", "reset", openai_sdk.APIConnectionError),
        ("anthropic", "401", anthropic_sdk.AuthenticationError),
        ("anthropic", "429", anthropic_sdk.RateLimitError),
        ("anthropic", "500", anthropic_sdk.InternalServerError),
        ("anthropic", "504", anthropic_sdk.APIStatusError),
        ("anthropic", "529", anthropic_sdk.APIStatusError),
        ("anthropic", "reset", anthropic_sdk.APIConnectionError),
        ("google", "403", google_errors.ClientError),
        ("google", "429", google_errors.ClientError),
        ("google", "502", google_errors.ServerError),
        ("google", "503", google_errors.ServerError),
        ("google", "reset", httpx2.NetworkError),
    ],
)
async def test_a_failure_is_the_sdks_own_error(
    caller: Caller, provider: Provider, status: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as raised:
        await caller.ask(provider, f"Hi [[sandbox: fail={status}]]")
    if status.isdigit():
        told: Any = raised.value
        assert getattr(told, "status_code", getattr(told, "code", None)) == int(status)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_first_calls_with_a_key_fail(caller: Caller, provider: Provider) -> None:
    text = f"Hi [[sandbox: fail=503 fail_times=2 key=k-{provider}]]"
    for _ in range(2):
        with pytest.raises((openai_sdk.APIError, anthropic_sdk.APIError, google_errors.ServerError)):
            await caller.ask(provider, text)
    assert "Simulated" in await caller.ask(provider, text)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stream_has_as_many_tokens_as_wanted_at_the_pace_wanted(
    caller: Caller, provider: Provider
) -> None:
    started = time.monotonic()
    pieces = [
        piece async for piece in caller.stream(provider, "Hi [[sandbox: delay=0.1 tokens=21 rate=100]]")
    ]
    took = time.monotonic() - started
    assert (len(pieces), len("".join(pieces))) == (21, 84)
    assert took >= 0.1 + 20 / 100 - 0.02


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("pace", ["", " rate=500"])
async def test_a_stream_can_die_or_fail_in_the_middle(caller: Caller, provider: Provider, pace: str) -> None:
    broken = (openai_sdk.APIError, anthropic_sdk.APIError, google_errors.APIError, httpx2.HTTPError)
    for end in ("die_after", "error_after"):
        seen: list[str] = []
        with pytest.raises(broken):
            await extend(seen, caller.stream(provider, f"Hi [[sandbox: {end}=5{pace}]]"))
        assert "".join(seen) == "Simulated answer of "


async def extend(seen: list[str], pieces: AsyncIterator[str]) -> None:
    async for piece in pieces:
        seen.append(piece)  # noqa: PERF401  # what came before the stream broke is kept


async def test_usage_can_be_missing_malformed_or_zero(sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
    async def usage(text: str) -> Any:
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"Hi [[sandbox: {text}]]"}]}
        made = await http.post(
            f"{sandbox.url}/v1/chat/completions", json=body, headers={"authorization": "Bearer k"}
        )
        return made.json().get("usage")

    assert await usage("usage=missing") is None
    assert (await usage("usage=malformed"))["prompt_tokens"] == "many"
    assert (await usage("usage=zero"))["total_tokens"] == 0
    assert (await usage("cached=3"))["prompt_tokens_details"]["cached_tokens"] == 3


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_garbage_is_no_answer(caller: Caller, provider: Provider) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        _ = [piece async for piece in caller.stream(provider, "Hi [[sandbox: garbage=1]]")]
    assert not isinstance(raised.value, openai_sdk.APIStatusError | anthropic_sdk.APIStatusError)


ASKED: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
KEY = {"authorization": "Bearer k"}


async def test_retry_after_is_told_in_the_providers_way(sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
    headers = KEY | {"x-sandbox": "fail=429 retry_after=2"}
    refused = await http.post(f"{sandbox.url}/openai/v1/chat/completions", json=ASKED, headers=headers)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    body: Any = {"contents": [{"parts": [{"text": "Hi"}]}]}
    refused = await http.post(
        f"{sandbox.url}/v1beta/models/gemini-2.5-pro:generateContent", json=body, headers=headers
    )
    assert refused.json()["error"]["details"][0]["retryDelay"] == "2s"


async def test_a_timeout_never_answers(sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
    headers = KEY | {"x-sandbox": "fail=timeout"}
    with pytest.raises(httpx2.ReadTimeout):
        await http.post(f"{sandbox.url}/v1/chat/completions", json=ASKED, headers=headers, timeout=0.2)


async def test_without_a_key_each_provider_says_401_in_its_own_shape(
    sandbox: Sandbox, http: httpx2.AsyncClient
) -> None:
    openai = await http.post(f"{sandbox.url}/openai/v1/chat/completions", json=ASKED)
    anthropic = await http.post(f"{sandbox.url}/anthropic/v1/messages", json=ASKED)
    google = await http.post(f"{sandbox.url}/google/v1beta/models/gemini-2.5-pro:generateContent", json={})
    assert [each.status_code for each in (openai, anthropic, google)] == [401, 401, 401]
    assert openai.json()["error"]["code"] == "invalid_api_key"
    assert anthropic.json()["error"]["type"] == "authentication_error"
    assert google.json()["error"]["status"] == "UNAUTHENTICATED"


async def test_google_streams_a_json_array_without_alt_sse(
    sandbox: Sandbox, http: httpx2.AsyncClient
) -> None:
    url = f"{sandbox.url}/v1/models/gemini-2.5-pro:streamGenerateContent?key=k"
    streamed = await http.post(url, json={"contents": [{"parts": [{"text": "Hi"}]}]})
    chunks = streamed.json()
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


async def test_a_provider_can_be_taken_down_for_everybody(sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
    state = f"{sandbox.url}/sandbox/state"
    listing = f"{sandbox.url}/google/v1/models"
    key = {"x-goog-api-key": "k"}
    assert (await http.put(state, json={"google": "bogus=1"})).status_code == 400
    await http.put(state, json={"google": "fail=503"})
    try:
        assert (await http.get(listing, headers=key)).status_code == 503
    finally:
        await http.put(state, json={"google": ""})
    assert (await http.get(listing, headers=key)).status_code == 200


async def test_health_and_stats(sandbox: Sandbox, http: httpx2.AsyncClient) -> None:
    assert (await http.get(f"{sandbox.url}/healthz")).json() == {"status": "ok", "simulated": True}
    before = (await http.get(f"{sandbox.url}/sandbox/stats")).json()
    await http.post(f"{sandbox.url}/v1/chat/completions", json=ASKED, headers=KEY)
    after = (await http.get(f"{sandbox.url}/sandbox/stats")).json()
    assert after["requests"] - before["requests"] == 1
    assert after["billed"] - before["billed"] == 1
    assert (await http.get(f"{sandbox.url}/nowhere")).status_code == 404


async def test_many_requests_on_one_connection_are_answered_in_order(sandbox: Sandbox) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    for path in (b"/healthz", b"/nowhere", b"/sandbox/stats"):
        writer.write(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    answer = (await reader.read()).split(b"HTTP/1.1 ")[1:]
    assert [each[:3] for each in answer] == [b"200", b"404", b"200", b"200"]
    writer.close()
    await writer.wait_closed()
