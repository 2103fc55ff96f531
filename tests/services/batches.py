"""Batches over a real PostgreSQL and ledger, with providers that say what a test wants."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import openai
from psycopg import AsyncConnection

from deployments.api import batches, files
from deployments.api.app import Api
from deployments.api.files import Uploads
from deployments.api.lines import Lines
from deployments.api.management.app import create_management
from deployments.edge import Edge
from models.batches import (
    BatchRunner,
    BatchStore,
    Caretaker,
    CaretakerStore,
    FileStore,
    Limits,
    LineStore,
    Payers,
)
from models.catalog import load_catalog
from models.chat import ChatResponse, Completed, Text, Usage
from models.doubles import Script, ScriptedEmbeddings, ScriptedProviders, in_memory_context
from models.embedder import Embedder
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.gateway import Gateway, Timeouts
from models.identity import Authenticator, KeyRing, PostgresKeyStore
from models.ledger import PostgresLedgerStore
from models.ledger.batcher import LedgerBatcher
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from models.store import Database

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
PEPPER = bytes(32)
URL = "http://polyvox"
MODEL = "gpt-5.4-mini"


def answer(text: str = "yes") -> list[Completed]:
    usage = Usage(input=10, output=5)
    response = ChatResponse(id="i", model="m", parts=(Text(text),), finish="stop", usage=usage)
    return [Completed(response)]


def asked_of(call: ProviderCall) -> str:
    part = call.request.messages[-1].parts[0]
    return part.text if isinstance(part, Text) else ""


def line(custom_id: str, said: str = "hello", *, url: str = "/v1/chat/completions", **body: Any) -> str:
    messages = [{"role": "user", "content": said}]
    asked = {"model": MODEL, "messages": messages, **body} if url != "/v1/embeddings" else body
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": asked})


class Stage:
    """One process of the gateway, and as many runners and caretakers as a test asks for."""

    def __init__(self, database: Database, script: Callable[[ProviderCall], Script], **limits: int) -> None:
        self.database = database
        self.providers = ScriptedProviders(script)
        self.keys = PostgresKeyStore(database)
        self.ring = KeyRing(self.keys, PEPPER)
        self.ledger = PostgresLedgerStore(database)
        self.files = FileStore(database, **limits)
        self.store = BatchStore(database)
        management = create_management([files.router(self.files), batches.router(self.store, self.files)])
        self.app = self._api(management=Uploads(self.files, management))

    def openai(self, key: str) -> openai.AsyncOpenAI:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(Edge(self.app)))
        return openai.AsyncOpenAI(api_key=key, base_url=f"{URL}/v1", http_client=http, max_retries=0)

    def http(self, key: str) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {key}"}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(Edge(self.app)), base_url=URL, headers=headers
        )

    def runner(self, *, limits: Limits | None = None, lease_s: float = 30.0) -> BatchRunner:
        """With a product of its own, as in a process of its own."""
        answers = Lines(self._api().routes, Payers(self.keys, ttl_s=0))
        return BatchRunner(LineStore(self.database, lease_s=lease_s), answers, limits=limits)

    def caretaker(self, name: str = "one", *, lease_s: float = 30.0) -> Caretaker:
        return Caretaker(CaretakerStore(self.database, holder=name, lease_s=lease_s), self.files)

    async def charges(self) -> Mapping[str, int]:
        """What each request cost."""

        async def fetch(connection: AsyncConnection) -> dict[str, int]:
            rows = await connection.execute(
                "SELECT request_id, sum(cost_pico)::bigint FROM model_usage GROUP BY 1"
            )
            return {request: int(cost) for request, cost in await rows.fetchall()}

        return await self.database.run(fetch)

    async def said(self, query: bytes) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            return await (await connection.execute(query)).fetchall()

        return await self.database.run(fetch)

    def _api(self, **options: Any) -> Api:
        calls = OpenCalls(LedgerBatcher(self.ledger))
        gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(),
            calls=calls,
            timeouts=Timeouts(),
        )
        embedder = Embedder(
            catalog=CATALOG,
            available=EVERY,
            providers=ScriptedEmbeddings(_embedded),
            calls=calls,
            timeouts=Timeouts(),
        )
        authenticator = Authenticator(self.keys, PEPPER)
        return Api(gateway, authenticator, unready=_unready, embedder=embedder, **options)


async def _unready() -> dict[str, str]:
    return {}


def _embedded(call: EmbeddingCall) -> EmbeddingResponse:
    return EmbeddingResponse(vectors=(bytes(8),) * len(call.request.inputs), usage=Usage(input=7))
