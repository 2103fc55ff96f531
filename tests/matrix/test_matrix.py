"""Every feature, in every client's dialect, with every provider's models, whole and streamed."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.contract.product import Product, product
from tests.contract.samples import SAMPLES
from tests.contract.scripted import ScriptedProvider, scripted_provider
from tests.matrix.clients import answered, argument_pieces, ask, assert_refused
from tests.matrix.feature import EVERY, Cell, Feature, Json, State
from tests.matrix.matching import assert_has
from tests.matrix.providers import MODELS, script
from tests.matrix.table import FEATURES
from tests.matrix.tools import IN_PIECES

pytestmark = pytest.mark.asyncio(loop_scope="module")

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


class Stage(NamedTuple):
    product: Product
    provider: ScriptedProvider

    async def ask(self, feature: Feature, cell: Cell, fields: Json, *, stream: bool, **headers: str) -> Any:
        dialect, provider = cell
        self.provider.script = script(provider, feature.answer[provider], stream=stream)
        return await ask(self.product.client, dialect, MODELS[provider], fields, stream=stream, **headers)

    @property
    def sent(self) -> Json:
        body: Json = json.loads(self.provider.requests[-1].body)
        return body

    @property
    def so_far(self) -> tuple[int, int]:
        """How often anything was held, and how often a provider was asked."""
        return len(self.product.ledger.asks), len(self.provider.requests)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with scripted_provider() as provider:
        hosts = ("openai", "anthropic", "google")
        bases = {host: provider.url + sample.base_path for host, sample in zip(hosts, SAMPLES, strict=True)}
        async with product(bases) as made:
            await made.providers.warm()
            yield Stage(made, provider)


def _cases(*states: State) -> list[Any]:
    return [
        pytest.param(feature, cell, id="-".join((feature.name, *cell)).replace(" ", "_"))
        for feature in FEATURES
        for cell in sorted(EVERY)
        if feature.state(cell) in states
    ]


@both_ways
@pytest.mark.parametrize(("feature", "cell"), _cases("supported", "left out"))
async def test_supported(stage: Stage, feature: Feature, cell: Cell, stream: bool) -> None:
    held, asked = stage.so_far
    dialect, provider = cell
    keeps = feature.then is not None and feature.then.in_conversation and dialect != "responses"
    headers = {"x_polyvox_conversation_id": str(uuid4())} if keeps else {}
    response = await stage.ask(feature, cell, feature.asked[dialect], stream=stream, **headers)
    answer = answered(dialect, response, stream=stream)
    assert_has(stage.sent, feature.sent_of(cell), "sent")
    assert_has(answer, feature.told_of(cell), "told")
    assert stage.so_far == (held + 1, asked + 1)
    assert response.headers.get("x-polyvox-parameters-left-out") == feature.left_out.get(cell)
    if feature.then is not None:
        following = feature.then.asked[dialect](answer)
        response = await stage.ask(feature, cell, following, stream=stream, **headers)
        answered(dialect, response, stream=stream)
        assert_has(stage.sent, feature.then.sent[provider], "sent")


@both_ways
@pytest.mark.parametrize(("feature", "cell"), _cases("refused"))
async def test_refused(stage: Stage, feature: Feature, cell: Cell, stream: bool) -> None:
    before = stage.so_far
    dialect, provider = cell
    fields, model = feature.asked[dialect], MODELS[provider]
    response = await ask(stage.product.client, dialect, model, fields, stream=stream)
    assert_refused(dialect, response, feature.refused[cell])
    assert stage.so_far == before


@pytest.mark.parametrize("cell", sorted(EVERY), ids="-".join)
async def test_arguments_come_in_pieces(stage: Stage, cell: Cell) -> None:
    dialect, provider = cell
    response = await stage.ask(IN_PIECES, cell, IN_PIECES.asked[dialect], stream=True)
    pieces = argument_pieces(dialect, response)
    assert len(pieces) == (2 if dialect != "gemini" and provider != "google" else 1)
    assert json.loads("".join(pieces)) == {"city": "Paris"}
