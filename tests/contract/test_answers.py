"""What a provider answers comes out in the canonical form, whole or in chunks."""

import gzip

import pytest

from models.chat import Chunk, Finished, Started, Text, TextDelta
from models.errors import ProviderRateLimited
from models.providers.adapter import ProviderAdapter
from models.providers.sse import SseParser
from tests.contract.conftest import MakeCall
from tests.contract.samples import SAID, Sample
from tests.contract.scripted import Answer, ScriptedProvider, Stream


def _text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


async def test_a_whole_answer(adapter: ProviderAdapter, make_call: MakeCall) -> None:
    response = await adapter.send_chat_request(make_call())
    assert response.parts == (Text(SAID),)
    assert response.finish == "stop"
    assert (response.usage.total_input, response.usage.output) == (9, 2)


async def test_no_compression_is_asked_for_and_some_is_understood(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    zipped = {"Content-Encoding": "gzip"}
    provider.script = Answer(body=gzip.compress(sample.answer), headers=zipped)
    response = await adapter.send_chat_request(make_call())
    assert response.parts == (Text(SAID),)
    provider.script = Answer(429, body=gzip.compress(sample.error(429, "slow down")), headers=zipped)
    with pytest.raises(ProviderRateLimited, match="slow down"):
        await adapter.send_chat_request(make_call())
    assert {request.headers["Accept-Encoding"] for request in provider.requests} == {"identity"}


async def test_a_stream_starts_and_finishes(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream(sample.events)
    chunks = [chunk async for batch in adapter.stream_chat_response(make_call()) for chunk in batch]
    assert isinstance(chunks[0], Started)
    assert _text(chunks) == SAID
    last = chunks[-1]
    assert isinstance(last, Finished)
    assert (last.finish, last.usage.total_input, last.usage.output) == ("stop", 9, 2)


async def test_a_stream_is_read_however_it_is_cut(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    whole = b"".join(sample.events)
    provider.script = Stream([whole[i : i + 7] for i in range(0, len(whole), 7)])
    chunks = [chunk async for batch in adapter.stream_chat_response(make_call()) for chunk in batch]
    assert _text(chunks) == SAID
    assert isinstance(chunks[-1], Finished)


async def test_what_arrives_together_comes_together(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream([b"".join(sample.events)])
    batches = [batch async for batch in adapter.stream_chat_response(make_call())]
    assert _text(batches[0]) == SAID


async def test_the_end_of_a_stream_needs_no_end_of_the_connection(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream([*sample.events, b": keep-alive\n\n"], end="never")
    if sample.protocol == "google_generate":
        provider.script = Stream(sample.events)  # nothing but the connection's end ends its streams
    batches = [batch async for batch in adapter.stream_chat_response(make_call(total_timeout_s=5.0))]
    assert isinstance(batches[-1][-1], Finished)


async def test_a_connection_is_used_again(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    await adapter.send_chat_request(make_call())
    provider.script = Stream(sample.events)
    for _ in range(2):
        async for _ in adapter.stream_chat_response(make_call()):
            pass
    assert len(provider.requests) == 3
    assert len({request.peer for request in provider.requests}) == 1


async def test_health_capabilities_and_authentication_come_from_the_list_of_models(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample
) -> None:
    provider.script = Answer(body=sample.model_list)
    health = await adapter.check_health()
    assert (health.provider, health.status) == ("somehost", "healthy")
    assert (await adapter.authenticate()).accepted
    capabilities = await adapter.get_capabilities()
    assert list(capabilities.models) == [sample.model]
    assert {(request.method, request.path) for request in provider.requests} == {("GET", sample.models_path)}


def test_the_samples_are_events_of_the_standard(sample: Sample) -> None:
    assert len(SseParser().feed(b"".join(sample.events))) == len(sample.events)
