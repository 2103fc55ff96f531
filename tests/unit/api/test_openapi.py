"""`GET /openapi.json` describes every route there is: the hot path by hand, the rest by FastAPI."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator, meta

from deployments.api.openapi.operations import OPERATIONS
from models.dialects import openai_chat
from models.errors import InvalidRequest
from tests.unit.api.management import Management
from tests.unit.api.test_every_route_pays import BILLABLE, FREE, OF_WHAT_IS_KEPT

Json = dict[str, Any]


@pytest.fixture
async def document() -> Json:
    client = await Management().client()
    found: Json = (await client.request("GET", "/openapi.json")).json()
    return found


def objects(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def schema_of(document: Json, name: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def test_every_route_of_the_hot_path_is_described() -> None:
    routes = BILLABLE.keys() | FREE.keys() | OF_WHAT_IS_KEPT
    described = {(operation.method, operation.path) for operation in OPERATIONS if operation.needs_key}
    assert described - routes == {("POST", "/v1/files")}  # it is part of neither
    assert routes <= described


async def test_every_reference_leads_somewhere(document: Json) -> None:
    schemas = document["components"]["schemas"]
    named = {node["$ref"] for node in objects(document) if isinstance(node.get("$ref"), str)}
    assert {f"#/components/schemas/{name}" for name in schemas} >= named
    for name in schemas:
        meta.validate(schemas[name])


async def test_nothing_is_said_of_the_answers_that_fastapi_would_give(document: Json) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]


async def test_only_health_needs_no_key(document: Json) -> None:
    free = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if not operation["security"]
    }
    assert free == {"/healthz", "/readyz"}
    assert {"x-api-key", "x-goog-api-key", "key"} < document["components"]["securitySchemes"].keys()


@pytest.mark.parametrize(
    "body",
    [
        {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]},
        {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "of_tomorrow": {}},
        {"model": "gpt", "messages": []},
        {"model": "gpt", "messages": [{"role": "user"}]},
        {"model": "gpt", "messages": [{"role": "poet", "content": "hi"}]},
        {"model": "gpt", "messages": [{"role": "user", "content": "hi"}], "temperature": 3},
        {"messages": [{"role": "user", "content": "hi"}]},
    ],
)
async def test_what_is_described_is_what_is_decoded(document: Json, body: Json) -> None:
    try:
        openai_chat.decode(msgspec.json.encode(body))
    except InvalidRequest:
        decodes = False
    else:
        decodes = True
    assert schema_of(document, "ChatRequest").is_valid(body) is decodes
