"""No way into the product reaches a provider without paying: the table of routes, walked.

A new route has to be entered here, with what it can be asked, before these tests pass again.
"""

import asyncio
from typing import Any

import pytest

from deployments.api.app import Api
from models.catalog import load_catalog
from models.chat import ChatResponse, Completed, Finished, Started, Text, TextDelta, Usage
from models.conversations import InMemoryConversations, Owner, new_conversation
from models.doubles import InMemoryLedger, Script, ScriptedEmbeddings, ScriptedProviders, in_memory_context
from models.embedder import Embedder
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import PolyvoxError, ReplicaLost
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.ledger.memory import Budget
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from tests.asgi import Client, Response

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
KEY = "pvx_test"
PLENTY = 10**15
USAGE = Usage(input=100, output=10)

Route = tuple[str, str]

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
CONVERSATION = "5b0fb8f4-4a0b-4a52-9b0a-6d3a3d1c2f10"
CHAT_MODELS = ("gpt-5.4-mini", "claude-haiku-4-5", "gemini-3.5-flash", "auto")
CONTENTS: dict[str, Any] = {"contents": "hi", "generationConfig": {"maxOutputTokens": 50}}
"""For paths that name the model themselves."""

BILLABLE: dict[Route, list[dict[str, Any]]] = {
    ("POST", "/v1/chat/completions"): [
        CHAT | {"model": model, "stream": stream} for model in CHAT_MODELS for stream in (False, True)
    ],
    ("POST", "/api/chat/send-with-model"): [
        {"conversationId": CONVERSATION, "message": "hi", "maxTokens": 50, "modelId": model, "stream": stream}
        for model in CHAT_MODELS
        for stream in (False, True)
    ],
    ("POST", "/v1/messages"): [
        CHAT | {"model": model, "stream": stream} for model in CHAT_MODELS for stream in (False, True)
    ],
    ("POST", "/v1/responses"): [
        {"input": "hi", "max_output_tokens": 50, "model": model, "stream": stream}
        for model in CHAT_MODELS
        for stream in (False, True)
    ],
    **{
        ("POST", f"{version}/models/{{model}}:{method}"): [CONTENTS | {"model": m} for m in CHAT_MODELS]
        for version in ("/v1", "/v1beta")
        for method in ("generateContent", "streamGenerateContent")
    },
    ("POST", "/v1/embeddings"): [
        {"model": "text-embedding-3-small", "input": "hi"},
        {"model": "text-embedding-3-small", "input": [[1, 2]], "encoding_format": "base64"},
        {"model": "gemini-embedding-001", "input": ["hi"] * 101},
    ],
}
"""What each may be asked: whole and streamed where it streams, and of every provider."""

FREE: dict[Route, dict[str, Any]] = {
    ("GET", "/v1/models"): {},
    ("GET", "/v1/models/{model}"): {"model": "auto"},
    ("GET", "/v1beta/models"): {},
    ("GET", "/v1beta/models/{model}"): {"model": "auto"},
    ("POST", "/v1/messages/count_tokens"): CHAT | {"model": "claude-haiku-4-5"},
    ("POST", "/v1/responses/input_tokens"): {"model": "gpt-5.4-mini", "input": "hi"},
    ("POST", "/v1/responses/compact"): {"model": "gpt-5.4-mini", "input": "hi"},
    ("POST", "/v1/models/{model}:countTokens"): CONTENTS | {"model": "gemini-3.5-flash"},
    ("POST", "/v1beta/models/{model}:countTokens"): CONTENTS | {"model": "gemini-3.5-flash"},
    ("POST", "/api/chat/switch-model"): {"conversationId": CONVERSATION, "newModelId": "claude-haiku-4-5"},
}

OF_WHAT_IS_KEPT: set[Route] = {
    ("GET", "/v1/responses/{response_id}"),
    ("DELETE", "/v1/responses/{response_id}"),
}
"""There is nothing yet that they could be asked for."""

every_case = pytest.mark.parametrize(
    ("route", "body"),
    [
        pytest.param(route, body, id=f"{route[1]}-{body.get('model') or body['modelId']}-{at}")
        for route, bodies in BILLABLE.items()
        for at, body in enumerate(bodies)
    ],
)


class OneKey:
    async def authenticate(self, presented: str) -> Principal:
        return Principal("k", "u", "t", team_id="m")


class Stage:
    """Providers answer once they `may`; the first call of all fails with `failure`, if there is one."""

    def __init__(self, budget: Budget, *, failure: PolyvoxError | None = None) -> None:
        self.budget = budget
        self.may = asyncio.Event()
        self.may.set()
        self._failures = [failure] if failure else []
        self.chat = ScriptedProviders(self._chat)
        self.embeddings = ScriptedEmbeddings(self._embed)
        self.embeddings.may_answer = self.may
        self.ledger = InMemoryLedger([budget])
        self.calls = OpenCalls(self.ledger)
        self.conversations = InMemoryConversations()
        self.gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.chat,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(CATALOG, store=self.conversations),
            calls=self.calls,
            timeouts=Timeouts(),
        )
        embedder = Embedder(
            catalog=CATALOG,
            available=EVERY,
            providers=self.embeddings,
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self.api = Api(
            self.gateway,
            OneKey(),
            unready=self._unready,
            embedder=embedder,
            conversations=self.conversations,
        )

    async def ask(self, route: Route, body: dict[str, Any], *, leave_after: int | None = None) -> Response:
        await self.conversations.create(Owner("t", "u"), new_conversation(id=CONVERSATION))
        method, path = route
        if "{model}" in path:
            path = path.replace("{model}", body["model"])
            body = {name: value for name, value in body.items() if name != "model"}
        return await Client(self.api, key=KEY).request(method, path, body, leave_after=leave_after)

    def called(self) -> list[str]:
        """What every provider call was called."""
        chats = [call.request_id for call in self.chat.calls]
        return chats + [call.request_id for call in self.embeddings.calls]

    async def assert_every_call_is_paid(self) -> None:
        """Exactly one reservation and one settlement for each call, and nothing is held any more."""
        await self.calls.settle_all()
        called = sorted(self.called())
        assert len(set(called)) == len(called) > 0
        assert sorted(ask.op_key for ask in self.ledger.asks) == called
        assert sorted(record.op_key for record in self.ledger.records) == called
        charged = sum(max(r.cost_pico, r.counted_pico or 0) for r in self.ledger.records)
        assert (self.budget.pending_pico, self.budget.posted_pico) == (0, charged)

    def _chat(self, call: ProviderCall) -> Script:
        yield self.may
        if self._failures:
            yield self._failures.pop()
        if call.request.stream:
            yield [Started("i", "m"), TextDelta("Hello")]
            yield [Finished("stop", USAGE)]
        else:
            parts = (Text("Hello"),)
            yield [Completed(ChatResponse(id="i", model="m", parts=parts, finish="stop", usage=USAGE))]

    def _embed(self, call: EmbeddingCall) -> EmbeddingResponse | PolyvoxError:
        if self._failures:
            return self._failures.pop()
        inputs = call.request.inputs
        return EmbeddingResponse(vectors=(b"\0\0\0\0",) * len(inputs), usage=Usage(input=len(inputs)))

    async def _unready(self) -> dict[str, str]:
        return {}


def test_every_route_is_known_here() -> None:
    routes = Stage(Budget("key", "k", 0)).api.routes
    assert {(r.method, r.path) for r in routes if r.is_billable} == BILLABLE.keys()
    assert {(r.method, r.path) for r in routes if not r.is_billable} == FREE.keys() | OF_WHAT_IS_KEPT


@every_case
@pytest.mark.parametrize(("scope", "owner"), [("tenant", "t"), ("team", "m"), ("user", "u"), ("key", "k")])
async def test_e12_a_spent_budget_is_a_402_before_a_provider_is_called(
    route: Route, body: dict[str, Any], scope: Any, owner: str
) -> None:
    stage = Stage(Budget(scope, owner, 1_000, posted_pico=1_000))
    response = await stage.ask(route, body)
    assert response.status == 402
    assert b"budget_exceeded" in response.body.lower()
    assert response.headers["x-should-retry"] == "false"
    assert (stage.called(), stage.ledger.records) == ([], [])


@every_case
async def test_e12_every_call_is_reserved_and_settled_once(route: Route, body: dict[str, Any]) -> None:
    stage = Stage(Budget("key", "k", PLENTY))
    response = await stage.ask(route, body)
    assert (response.status, response.ended) == (200, True)
    await stage.assert_every_call_is_paid()
    assert stage.budget.posted_pico > 0
    assert {record.endpoint for record in stage.ledger.records} == {route[1]}


@every_case
async def test_e12_a_second_attempt_pays_for_itself(route: Route, body: dict[str, Any]) -> None:
    stage = Stage(Budget("key", "k", PLENTY), failure=ReplicaLost("died"))
    assert (await stage.ask(route, body)).status == 200
    await stage.assert_every_call_is_paid()
    assert {"completed", "failed"} == {record.status for record in stage.ledger.records}


@every_case
async def test_e12_a_client_that_leaves_has_paid(route: Route, body: dict[str, Any]) -> None:
    stage = Stage(Budget("key", "k", PLENTY))
    stage.may.clear()
    await stage.ask(route, body, leave_after=0)
    stage.may.set()
    await stage.assert_every_call_is_paid()
    assert stage.budget.posted_pico > 0


@pytest.mark.parametrize("route", FREE)
async def test_what_is_free_calls_nobody(route: Route) -> None:
    stage = Stage(Budget("key", "k", 0))
    assert (await stage.ask(route, FREE[route])).status == 200
    assert (stage.called(), stage.ledger.asks) == ([], [])
