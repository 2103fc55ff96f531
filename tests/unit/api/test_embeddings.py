"""`POST /v1/embeddings`, as a client sees it, over doubles of the ports."""

import base64
import struct
from typing import Any

import pytest

from deployments.api.app import Api
from models.catalog import load_catalog
from models.chat import Usage
from models.doubles import InMemoryLedger, ScriptedEmbeddings, ScriptedProviders, in_memory_context, play
from models.embedder import Embedder
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import (
    ContextLengthExceeded,
    PolyvoxError,
    ProviderGarbled,
    ProviderRateLimited,
    ProviderRefused,
    ReplicaLost,
    Unauthenticated,
)
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.ledger.memory import Budget
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.routing.router import RuleRouter
from tests.asgi import Client

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
PATH = "/v1/embeddings"
KEY = "pvx_test"
HELLO: dict[str, Any] = {"model": "text-embedding-3-small", "input": "hello"}
VECTOR = (0.25, -1.0, 0.5)
PACKED = struct.pack("<3f", *VECTOR)


class OneKey:
    async def authenticate(self, presented: str) -> Principal:
        if presented != KEY:
            raise Unauthenticated("that key is not known")
        return Principal("k", "u", "t")


class Stage:
    """Every vector is `VECTOR`, every call is of 7 tokens, unless it fails with `failure`."""

    def __init__(self, *failure: PolyvoxError, budget: Budget | None = None) -> None:
        self.failure = failure
        self.providers = ScriptedEmbeddings(self._answer)
        self.ledger = InMemoryLedger([budget] if budget else [])
        self.calls = OpenCalls(self.ledger)
        gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=ScriptedProviders(play()),
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(),
            calls=self.calls,
            timeouts=Timeouts(),
        )
        embedder = Embedder(
            catalog=CATALOG,
            available=EVERY,
            providers=self.providers,
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self.client = Client(Api(gateway, OneKey(), unready=self._unready, embedder=embedder), key=KEY)

    def _answer(self, call: EmbeddingCall) -> EmbeddingResponse | PolyvoxError:
        if self.failure:
            return self.failure[0]
        return EmbeddingResponse(vectors=(PACKED,) * len(call.request.inputs), usage=Usage(input=7))

    async def _unready(self) -> dict[str, str]:
        return {}


async def test_an_answer() -> None:
    stage = Stage()
    response = await stage.client.request("POST", PATH, HELLO | {"input": ["a", "b"], "user": "ada"})
    body = response.json()
    assert response.status == 200
    assert response.ended
    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": list(VECTOR)} for i in range(2)],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 7, "total_tokens": 7, "cost": 7 * 2e-8},
    }
    headers = response.headers
    assert headers["content-type"] == "application/json"
    assert headers["x-polyvox-request-id"] == "req_1"
    assert headers["x-polyvox-model"] == "text-embedding-3-small"
    assert (headers["x-polyvox-provider"], headers["x-polyvox-attempts"]) == ("openai", "1")
    assert headers["x-polyvox-cost-usd"] == "0.00000014"
    assert stage.providers.calls[0].request.end_user == "ada"
    [record] = stage.ledger.records
    assert (record.endpoint, record.conversation_id) == (PATH, None)
    assert record.request_digest is not None
    assert record.request_digest.startswith("\\x")


async def test_base64_is_of_little_endian_float32() -> None:
    response = await Stage().client.request("POST", PATH, HELLO | {"encoding_format": "base64"})
    [row] = response.json()["data"]
    assert struct.unpack("<3f", base64.b64decode(row["embedding"])) == VECTOR


@pytest.mark.parametrize("format", ["float", "base64"])
async def test_as_many_inputs_as_are_allowed_are_answered_in_order(format: str) -> None:
    asked = HELLO | {"input": [f"text {i}" for i in range(2_048)], "encoding_format": format}
    response = await Stage().client.request("POST", PATH, asked)
    assert [row["index"] for row in response.json()["data"]] == list(range(2_048))
    assert len(response.parts) > 2


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("a", ("a",)),
        (["a"], ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        (list(range(1, 5_000)), (tuple(range(1, 5_000)),)),
    ],
)
async def test_the_forms_of_input(given: Any, inputs: Any) -> None:
    stage = Stage()
    asked = HELLO | {"input": given, "dimensions": 3, "encoding_format": None, "some_new_field": 1}
    assert (await stage.client.request("POST", PATH, asked)).status == 200
    [call] = stage.providers.calls
    assert (call.request.inputs, call.request.dimensions) == (inputs, 3)


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        (b"{", None, "not valid JSON"),
        (b"[" * 100_000, None, ""),
        (b'{"model": "text-embedding-3-small", "input": "\\ud800"}', None, "not valid JSON"),
        ({"input": "a"}, None, "model"),
        ({"model": "text-embedding-3-small"}, None, "input"),
        (HELLO | {"input": ""}, "input", "empty"),
        (HELLO | {"input": []}, "input", "nothing"),
        (HELLO | {"input": ["a", ""]}, "input", "empty"),
        (HELLO | {"input": [[1], []]}, "input", "empty"),
        (HELLO | {"input": ["a", 1]}, "input", "both"),
        (HELLO | {"input": [[1], "a"]}, "input", "both"),
        (HELLO | {"input": [1.5]}, "input[0]", "float"),
        (HELLO | {"input": [True]}, "input[0]", "bool"),
        (HELLO | {"input": [-1]}, "input[0]", "0"),
        (HELLO | {"input": [2**70]}, "input[0]", ""),
        (HELLO | {"input": ["a"] * 2_049}, "input", "2048"),
        (HELLO | {"dimensions": 0}, "dimensions", "1"),
        (HELLO | {"encoding_format": "int8"}, "encoding_format", "int8"),
        (HELLO | {"model": "gemini-embedding-001", "input": [1, 2]}, "input", "token ids"),
    ],
)
async def test_bad_input_is_a_400_that_names_the_field(body: Any, param: str | None, says: str) -> None:
    stage = Stage()
    response = await stage.client.request("POST", PATH, body)
    error = response.json()["error"]
    assert (response.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert says in error["message"]
    assert (stage.providers.calls, stage.ledger.asks) == ([], [])


@pytest.mark.parametrize("model", ["text-embedding-3-smal", "gpt-5.4-mini", "auto"])
async def test_a_model_that_does_not_embed_is_a_404(model: str) -> None:
    response = await Stage().client.request("POST", PATH, HELLO | {"model": model})
    assert (response.status, response.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProviderRateLimited("slow down", status=429, retry_after_s=2), 429, "provider_rate_limited"),
        (ProviderRefused("bad", status=400), 400, "provider_refused"),
        (ContextLengthExceeded("too long", status=400), 400, "context_length_exceeded"),
        (ProviderGarbled("what"), 502, "provider_garbled"),
        (ReplicaLost("died"), 503, "replica_lost"),
    ],
)
async def test_a_provider_that_fails(error: PolyvoxError, status: int, code: str) -> None:
    response = await Stage(error).client.request("POST", PATH, HELLO)
    assert (response.status, response.json()["error"]["code"]) == (status, code)


async def test_a_spent_budget_is_a_402_that_is_not_worth_a_retry() -> None:
    stage = Stage(budget=Budget("key", "k", 0))
    response = await stage.client.request("POST", PATH, HELLO)
    assert (response.status, response.json()["error"]["code"]) == (402, "budget_exceeded")
    assert response.headers["x-should-retry"] == "false"
    assert stage.providers.calls == []


async def test_a_client_that_leaves_pays_for_the_call_that_is_seen_out() -> None:
    stage = Stage()
    stage.providers.may_answer.clear()
    await stage.client.request("POST", PATH, HELLO, leave_after=0)
    assert stage.ledger.records == []
    stage.providers.may_answer.set()
    await stage.calls.settle_all()
    [record] = stage.ledger.records
    assert (record.status, record.input_tokens) == ("cancelled", 7)


async def test_models_that_embed_are_listed_as_such() -> None:
    rows = (await Stage().client.request("GET", "/v1/models")).json()["data"]
    assert {row["id"] for row in rows if row.get("kind") == "embedding"} == {
        "text-embedding-3-small",
        "text-embedding-3-large",
        "gemini-embedding-001",
        "gemini-embedding-2",
    }
