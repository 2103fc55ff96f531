"""Whatever goes wrong is one of our errors, says what it was, and never says the key."""

import asyncio
import pickle
import socket
import time
import traceback

import pytest

from models.chat import TextDelta
from models.errors import (
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from models.providers.adapter import ProviderAdapter
from models.providers.call import ProviderCall
from models.providers.exchange import MAX_ANSWER_BYTES
from models.providers.sse import MAX_EVENT_BYTES
from models.providers.transport import MAX_ERROR_BYTES
from tests.contract.conftest import MakeAdapter, MakeCall
from tests.contract.samples import KEY, Sample
from tests.contract.scripted import Answer, HangUp, Script, ScriptedProvider, Silence, Stream


async def _fails(adapter: ProviderAdapter, call: ProviderCall, *, stream: bool) -> PolyvoxError:
    with pytest.raises(PolyvoxError) as failure:
        await (_read(adapter, call, into=[]) if stream else adapter.send_chat_request(call))
    error = failure.value
    assert error.provider == "somehost"
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.details())
    assert KEY not in shown
    assert pickle.loads(pickle.dumps(error)).details() == error.details()  # noqa: S301 - our own bytes
    return error


async def _read(adapter: ProviderAdapter, call: ProviderCall, *, into: list[str]) -> None:
    async for batch in adapter.stream_chat_response(call):
        into += [chunk.text for chunk in batch if isinstance(chunk, TextDelta)]


both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@both_ways
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRefused),
        (401, ProviderAuthFailed),
        (403, ProviderAuthFailed),
        (404, ProviderRefused),
        (413, ProviderRefused),
        (422, ProviderRefused),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (502, ProviderUnavailable),
        (503, ProviderOverloaded),
        (504, ProviderTimeout),
        (529, ProviderOverloaded),
    ],
)
async def test_an_error_status(
    adapter: ProviderAdapter,
    provider: ScriptedProvider,
    sample: Sample,
    make_call: MakeCall,
    status: int,
    kind: type[PolyvoxError],
    stream: bool,
) -> None:
    provider.script = Answer(status, sample.error(status, f"no, {KEY} is wrong"), {"Retry-After": "7"})
    error = await _fails(adapter, make_call(), stream=stream)
    assert type(error) is kind
    assert (error.status, error.retry_after_s, error.model) == (status, 7.0, sample.model)


@both_ways
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"\xff\xfe\x00", b"[]", b'{"error": null}', b'"no"', b"x" * 200_000],
    ids=["empty", "html", "binary", "list", "null", "text", "long"],
)
async def test_an_error_whose_body_is_no_error(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall, body: bytes, stream: bool
) -> None:
    provider.script = Answer(500, body)
    error = await _fails(adapter, make_call(), stream=stream)
    assert isinstance(error, ProviderUnavailable | ProviderGarbled)
    assert len(error.message) < MAX_ERROR_BYTES


async def test_an_error_that_never_ends_is_read_as_far_as_is_useful(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    provider.script = HangUp(
        b"HTTP/1.1 500 Oh\r\nContent-Length: 999999999\r\n\r\n" + b"x" * (2 * MAX_ERROR_BYTES)
    )
    error = await _fails(adapter, make_call(), stream=False)
    assert (type(error), error.status) == (ProviderUnavailable, 500)


@both_ways
async def test_no_connection(make_adapter: MakeAdapter, make_call: MakeCall, stream: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed_port = unused.getsockname()[1]
    adapter = make_adapter(base_url=f"http://127.0.0.1:{closed_port}")
    error = await _fails(adapter, make_call(), stream=stream)
    assert (type(error), error.sent) == (ProviderUnavailable, False)


async def test_a_certificate_that_cannot_be_verified_is_no_connection(
    make_adapter: MakeAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    adapter = make_adapter(base_url=provider.url.replace("http:", "https:"))
    error = await _fails(adapter, make_call(), stream=False)
    assert (type(error), error.sent) == (ProviderUnavailable, False)
    assert not provider.requests


@both_ways
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (HangUp(), ProviderUnavailable),
        (HangUp(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), ProviderUnavailable),
        (HangUp(b"\x16\x03\x01 this is not HTTP\r\n\r\n"), ProviderGarbled),
        (Answer(body=b"not the protocol"), ProviderGarbled),
        (Answer(body=b"[1, 2]"), ProviderGarbled),
        (Answer(body=b'{"candidates": 7, "choices": 7, "content": 7}'), ProviderGarbled),
        (Answer(body=b"\xff\xfe"), ProviderGarbled),
    ],
    ids=["reset", "cut", "not-http", "not-json", "list", "wrong-types", "binary"],
)
async def test_an_answer_that_is_none(
    adapter: ProviderAdapter,
    provider: ScriptedProvider,
    make_call: MakeCall,
    script: Script,
    kind: type[PolyvoxError],
    stream: bool,
) -> None:
    provider.script = script
    error = await _fails(adapter, make_call(), stream=stream)
    assert (type(error), error.sent) == (kind, True)


async def test_a_stream_that_is_cut_gives_what_came_and_then_fails(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    provider.script = Stream(sample.events[:1] if len(sample.events) < 5 else sample.events[:3], end="cut")
    said: list[str] = []
    with pytest.raises(ProviderUnavailable) as failure:
        await _read(adapter, make_call(), into=said)
    assert said[0] == "Par"
    assert (failure.value.sent, failure.value.provider) == (True, "somehost")


async def test_a_garbled_event_gives_what_came_before_it(
    adapter: ProviderAdapter, provider: ScriptedProvider, sample: Sample, make_call: MakeCall
) -> None:
    until_text = sample.events[: -4 if len(sample.events) > 4 else 1]
    provider.script = Stream([b"".join(until_text) + b"event: x\ndata: {nonsense\n\n"])
    said: list[str] = []
    with pytest.raises(ProviderGarbled):
        await _read(adapter, make_call(), into=said)
    assert said[:1] == ["Par"]


@pytest.mark.parametrize(
    ("limit", "script", "says"),
    [
        ({"first_byte_timeout_s": 0.1}, Silence(), "first-byte"),
        ({"total_timeout_s": 0.1}, Silence(), "total"),
        ({"total_timeout_s": 0.3, "idle_timeout_s": 0.2}, Stream([b": \n\n"] * 99, gap_s=0.05), "total"),
        ({"first_byte_timeout_s": 0.1}, Stream([b"{"], end="never", status=500), "first-byte"),
        ({"idle_timeout_s": 0.1}, Stream([b": \n\n"], end="never"), "idle"),
        ({"idle_timeout_s": 0.1, "first_byte_timeout_s": 9.0}, Stream([b":\n\n"] * 3, end="never"), "idle"),
    ],
)
@both_ways
async def test_a_time_limit(
    adapter: ProviderAdapter,
    provider: ScriptedProvider,
    make_call: MakeCall,
    limit: dict[str, float],
    script: Script,
    says: str,
    stream: bool,
) -> None:
    provider.script = script
    started = time.monotonic()
    error = await _fails(adapter, make_call(**limit), stream=stream)
    assert type(error) is ProviderTimeout
    assert f"{says} time limit" in error.message
    assert error.sent
    assert time.monotonic() - started < 2.0
    await provider.disconnected.wait()


async def test_the_connect_limit_includes_waiting_for_a_free_connection(
    make_adapter: MakeAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    adapter = make_adapter(max_connections=1)
    provider.script = Stream([b": \n\n"], end="never")
    first = asyncio.create_task(_read(adapter, make_call(idle_timeout_s=0.5), into=[]))
    await provider.arrived.wait()
    error = await _fails(adapter, make_call(connect_timeout_s=0.1), stream=False)
    assert (type(error), error.sent) == (ProviderTimeout, False)
    assert "connect time limit" in error.message
    assert len(provider.requests) == 1
    with pytest.raises(ProviderTimeout):
        await first


async def test_an_answer_has_a_largest_size(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    provider.script = Answer(body=b"x" * (MAX_ANSWER_BYTES + 1))
    assert type(await _fails(adapter, make_call(), stream=False)) is ProviderGarbled


async def test_an_event_has_a_largest_size(
    adapter: ProviderAdapter, provider: ScriptedProvider, make_call: MakeCall
) -> None:
    provider.script = Answer(body=b"data: " + b"x" * (MAX_EVENT_BYTES + 1))
    assert type(await _fails(adapter, make_call(), stream=True)) is ProviderGarbled


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (Answer(429), "degraded", "provider_rate_limited"),
        (Answer(503), "degraded", "provider_overloaded"),
        (Answer(500), "unavailable", "provider_unavailable"),
        (Answer(401), "unavailable", "provider_auth_failed"),
        (HangUp(), "unavailable", "provider_unavailable"),
    ],
)
async def test_ill_health(
    adapter: ProviderAdapter, provider: ScriptedProvider, script: Script, status: str, code: str
) -> None:
    provider.script = script
    health = await adapter.check_health()
    assert (health.status, health.error_code) == (status, code)
    assert KEY not in repr(health)


async def test_a_key_that_is_not_accepted(adapter: ProviderAdapter, provider: ScriptedProvider) -> None:
    provider.script = Answer(401)
    assert not (await adapter.authenticate()).accepted
    provider.script = Answer(500)
    with pytest.raises(ProviderUnavailable):
        await adapter.authenticate()


def test_a_host_does_not_show_its_key(adapter: ProviderAdapter) -> None:
    assert KEY not in repr(adapter.host) + str(adapter.host) + repr(adapter)
