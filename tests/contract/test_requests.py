"""What is sent is what the official SDK sends, once."""

from collections.abc import Awaitable
from typing import Any

import anthropic
import openai
import orjson
import pytest
from google import genai
from google.genai import types
from msgspec.structs import replace

from models.chat import Message, Text
from models.errors import PolyvoxError
from models.providers.adapter import ProviderAdapter
from tests.contract.conftest import MakeCall
from tests.contract.samples import KEY, Sample
from tests.contract.scripted import Answer, Request, ScriptedProvider, Stream

_OF_THE_TRANSPORT = {"accept", "accept-encoding", "connection", "content-length", "host"}
_OF_THE_SDK_METHOD = {"x-stainless-read-timeout", "x-stainless-raw-response", "x-stainless-timeout"}


def _headers(request: Request) -> dict[str, str]:
    """Those that say who asks, and how."""
    left_out = _OF_THE_TRANSPORT | _OF_THE_SDK_METHOD
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in left_out}


async def _ask_by_documented_method(sample: Sample, url: str) -> None:
    turns: Any = [{"role": "user", "content": "Hello"}]
    match sample.protocol:
        case "openai_chat":
            async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as gpt:
                await gpt.chat.completions.create(model=sample.model, messages=turns)
        case "anthropic_messages":
            async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url) as claude:
                await claude.messages.create(model=sample.model, messages=turns, max_tokens=9)
        case "google_generate":
            options = types.HttpOptions(base_url=url)
            with genai.Client(enterprise=False, api_key=KEY, http_options=options) as gemini:
                await gemini.aio.models.generate_content(model=sample.model, contents="Hello")
                await gemini.aio.aclose()


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")  # google-genai's own session
async def test_a_request_is_the_same_as_from_the_sdks_documented_method(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    await _ask_by_documented_method(sample, provider.url)
    for _ in range(2):
        await adapter.send_chat_request(make_call())
    theirs, first, second = provider.requests
    assert (first.method, first.path) == (theirs.method, theirs.path) == ("POST", sample.path)
    assert _headers(first) == _headers(second) == _headers(theirs) | {"x-client-request-id": "req_1"}


async def test_the_key_and_the_sdks_name_are_sent(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    await adapter.send_chat_request(make_call())
    name, value = sample.auth
    headers = provider.requests[0].headers
    assert headers.getall(name) == [value]
    assert headers["User-Agent"].startswith(sample.user_agent)
    assert headers["Content-Type"] == "application/json"


async def test_every_call_sends_its_own_body(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    await adapter.send_chat_request(make_call())
    provider.script = Stream([])
    with pytest.raises(PolyvoxError):
        async for _ in adapter.stream_chat_response(make_call()):
            pass
    for request in provider.requests:
        assert b"capital of France" in request.body
        assert int(request.headers["Content-Length"]) == len(request.body)


async def test_a_stream_is_asked_for_where_a_stream_is_wanted(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream(sample.events)
    async for _ in adapter.stream_chat_response(make_call()):
        pass
    request = provider.requests[0]
    assert request.path == sample.stream_path
    assert "alt=sse" in request.path or orjson.loads(request.body)["stream"] is True


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
async def test_nothing_is_tried_twice(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall, status: int
) -> None:
    provider.script = Answer(status, headers={"Retry-After": "0", "x-should-retry": "true"})
    calls: list[Awaitable[object]] = [
        adapter.send_chat_request(make_call()),
        anext(adapter.stream_chat_response(make_call())),
    ]
    for call in calls:
        with pytest.raises(PolyvoxError):
            await call
    assert len(provider.requests) == 2


async def test_a_redirect_is_not_followed(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    provider.script = Answer(307, headers={"Location": "/elsewhere"})
    with pytest.raises(PolyvoxError):
        await adapter.send_chat_request(make_call())
    assert len(provider.requests) == 1


async def test_numbers_and_characters_that_json_hardly_knows_are_sent(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:

    call = make_call()
    odd = replace(call.request, messages=(Message("user", (Text("half \ud83d of a face"),)),))
    await adapter.send_chat_request(replace(call, request=odd))
    assert b"half \\ud83d of a face" in provider.requests[0].body
