"""Every contract test runs once for each provider."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from models.chat import ChatRequest, Message, Text
from models.providers.adapter import ProviderAdapter
from models.providers.call import ProviderCall
from models.providers.clients import Host
from models.providers.profiles import Profiles
from tests.contract.samples import KEY, SAMPLES, Sample
from tests.contract.scripted import Answer, ScriptedProvider, scripted_provider

MakeCall = Callable[..., ProviderCall]
MakeAdapter = Callable[..., ProviderAdapter]

_PROFILES = Profiles.load()


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.protocol)
def sample(request: pytest.FixtureRequest) -> Sample:
    assert isinstance(request.param, Sample)
    return request.param


@pytest.fixture
async def provider(sample: Sample) -> AsyncIterator[ScriptedProvider]:
    async with scripted_provider() as provider:
        provider.script = Answer(body=sample.answer)
        yield provider


@pytest.fixture
async def make_adapter(sample: Sample, provider: ScriptedProvider) -> AsyncIterator[MakeAdapter]:
    made: list[ProviderAdapter] = []

    def make(**host: Any) -> ProviderAdapter:
        fields = {"base_url": provider.url + sample.base_path, **host}
        host_ = Host(id="somehost", protocol=sample.protocol, key=SecretStr(KEY), **fields)
        made.append(ProviderAdapter(host_, profiles=_PROFILES))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


@pytest.fixture
def adapter(make_adapter: MakeAdapter) -> ProviderAdapter:
    return make_adapter()


@pytest.fixture
def make_call(sample: Sample) -> MakeCall:
    def make(**limits: float) -> ProviderCall:
        question = Message("user", (Text("What is the capital of France?"),))
        request = ChatRequest(model="auto", messages=(question,), max_tokens=100)
        return ProviderCall(
            request=request,
            host="somehost",
            model=sample.model,
            max_output_tokens=1_000,
            request_id="req_1",
            **limits,
        )

    return make
