"""`/v1/models` in each client's shape, and the keys that each of them sends."""

from typing import Any

import pytest

from deployments.api.auth import principal_of
from deployments.api.paths import id_in, model_in, pattern_of
from models.errors import Unauthenticated
from models.identity import Principal
from tests.unit.api.ways_in import CATALOG, KEY, OneKey, Stage, says


async def test_each_sdk_lists_the_models_and_reads_one() -> None:
    stage = Stage(says())
    chatting = {m.id for m in CATALOG.models.values() if m.kind == "chat"}
    openais = [model async for model in stage.openai().models.list()]
    assert {model.id for model in openais} >= chatting | {"auto", "text-embedding-3-small"}
    anthropics = [model async for model in stage.anthropic().models.list()]
    assert {model.id for model in anthropics} == chatting | {
        "auto",
        "auto:cheap",
        "auto:balanced",
        "auto:quality",
        "auto:fast",
    }
    googles = [model async for model in await stage.google().aio.models.list()]
    assert {(model.name or "").removeprefix("models/") for model in googles} == {m.id for m in anthropics}
    known = CATALOG.models["claude-haiku-4-5"]
    assert (await stage.openai().models.retrieve(known.id)).owned_by == "anthropic"
    one = await stage.anthropic().models.retrieve(known.id)
    assert (one.max_input_tokens, one.max_tokens) == (known.max_input, known.max_output)
    other = await stage.google().aio.models.get(model=known.id)
    assert (other.input_token_limit, other.output_token_limit) == (known.max_input, known.max_output)
    assert (await stage.anthropic().models.retrieve("auto:cheap")).id == "auto:cheap"


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/models", {}, "object"),
        ("/v1/models", {"anthropic-version": "2026-10-21"}, "first_id"),
        ("/v1/models", {"x-goog-api-key": KEY}, "models"),
        ("/v1beta/models", {}, "models"),
    ],
)
async def test_the_shape_is_the_clients(path: str, headers: dict[str, str], shape: str) -> None:
    response = await Stage(says()).client.request("GET", path, headers=headers)
    assert shape in response.json()


@pytest.mark.parametrize(
    ("headers", "shape"),
    [
        ({}, "code"),
        ({"anthropic-version": "2026-10-21"}, "details"),
        ({"x-goog-api-key": KEY}, "status"),
    ],
)
async def test_a_model_that_there_is_not_is_not_found_in_the_clients_words(
    headers: dict[str, str], shape: str
) -> None:
    response = await Stage(says()).client.request("GET", "/v1/models/gpt-99", headers=headers)
    assert response.status == 404
    assert shape in response.json()["error"]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({b"authorization": b"Bearer pvx_test"}, b""),
        ({b"authorization": b"bearer  pvx_test "}, b""),
        ({b"x-api-key": b"pvx_test"}, b""),
        ({b"x-goog-api-key": b" pvx_test"}, b""),
        ({b"authorization": b"Basic eA==", b"x-api-key": b"pvx_test"}, b""),
        ({}, b"alt=sse&key=pvx_test"),
    ],
)
async def test_a_key_is_read_wherever_a_client_puts_it(headers: Any, query: bytes) -> None:
    assert await principal_of(headers, OneKey(), query=query) == Principal("k", "u", "t")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, b""),
        ({b"authorization": b"Bearer "}, b""),
        ({b"authorization": b"pvx_test"}, b""),
        ({b"x-api-key": b"\xff"}, b""),
        ({}, b"monkey=pvx_test"),
        ({}, b"key="),
        ({}, b"&key=a" * 200),
        ({b"authorization": b"Bearer wrong"}, b"key=pvx_test"),
    ],
)
async def test_without_a_good_key_nobody_is_let_in(headers: Any, query: bytes) -> None:
    with pytest.raises(Unauthenticated):
        await principal_of(headers, OneKey(), query=query)


@pytest.mark.parametrize(
    ("path", "pattern", "model"),
    [
        ("/v1/models/m:generateContent", "/v1/models/{model}:generateContent", "m"),
        ("/v1beta/models/a/b:c:countTokens", "/v1beta/models/{model}:countTokens", "a/b:c"),
        ("/v1/models/auto:cheap", "/v1/models/{model}", "auto:cheap"),
        ("/v1/models/:generateContent", "/v1/models/{model}", ""),
        ("/v1/models/", "/v1/models/", ""),
        ("/v2/models/m", "/v2/models/m", "m"),
        ("/v1/responses/resp_1", "/v1/responses/{response_id}", ""),
        ("/v1/responses/resp_1/cancel", "/v1/responses/resp_1/cancel", ""),
        ("/v1/chat/completions", "/v1/chat/completions", ""),
    ],
)
def test_paths_that_name_something_are_of_a_route(path: str, pattern: str, model: str) -> None:
    assert pattern_of(path) == pattern
    assert model_in(path) == model
    assert id_in("/v1/responses/resp_1") == "resp_1"
