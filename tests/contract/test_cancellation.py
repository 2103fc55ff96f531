"""Who stops listening stops the provider's work at once, and leaves no connection behind."""

import asyncio
import time

import pytest

from models.providers.adapter import ProviderAdapter
from tests.contract.conftest import MakeAdapter, MakeCall
from tests.contract.samples import Sample
from tests.contract.scripted import Answer, ScriptedProvider, Silence, Stream

AT_ONCE_S = 0.1


async def _noticed(provider: ScriptedProvider, since: float) -> None:
    async with asyncio.timeout(2.0):
        await provider.disconnected.wait()
    assert provider.disconnected_at - since < AT_ONCE_S


async def test_closing_the_iterator(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream(sample.events[:3], end="never")
    stream = adapter.stream_chat_response(make_call())
    await anext(stream)
    since = time.monotonic()
    await stream.aclose()
    await _noticed(provider, since)


async def test_cancelling_the_reader_of_a_stream(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream(sample.events[:1], end="never")
    reading = asyncio.Event()

    async def read() -> None:
        async for _ in adapter.stream_chat_response(make_call()):
            reading.set()

    task = asyncio.create_task(read())
    await reading.wait()
    since = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _noticed(provider, since)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_cancelling_before_anything_came(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall, stream: bool
) -> None:
    provider.script = Silence()
    call = make_call()
    asked = anext(adapter.stream_chat_response(call)) if stream else adapter.send_chat_request(call)
    task = asyncio.ensure_future(asked)
    await provider.arrived.wait()
    since = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _noticed(provider, since)


async def test_a_cancelled_call_gives_its_place_in_the_pool_back(
    make_adapter: MakeAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    adapter = make_adapter(max_connections=2)
    provider.script = Stream(sample.events[:3], end="never")
    for _ in range(6):
        stream = adapter.stream_chat_response(make_call(connect_timeout_s=1.0))
        await anext(stream)
        await stream.aclose()
    provider.script = Answer(body=sample.answer)
    await adapter.send_chat_request(make_call(connect_timeout_s=1.0))


async def test_the_pool_is_bounded(
    make_adapter: MakeAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    adapter = make_adapter(max_connections=3)
    provider.script = Stream(sample.events, gap_s=0.005)

    async def read() -> None:
        async for _ in adapter.stream_chat_response(make_call()):
            pass

    await asyncio.gather(*(read() for _ in range(9)))
    assert provider.most_at_once == 3
    assert len({request.peer for request in provider.requests}) == 3


async def test_closing_the_adapter_closes_its_connections(
    make_adapter: MakeAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    adapter = make_adapter()
    provider.script = Stream(sample.events[:3], end="never")
    stream = adapter.stream_chat_response(make_call())
    await anext(stream)
    since = time.monotonic()
    await adapter.close()
    await _noticed(provider, since)
    await stream.aclose()
