"""The product in one process: its HTTP surface over the real adapters, which ask whoever is at `bases`."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Self

from pydantic import SecretStr

from deployments.api.app import Api
from deployments.api.exchange import REQUEST_ID, Receive, Scope, Send
from models.cancellation import HANG_UP
from models.catalog import Catalog, load_catalog
from models.chat import Chunk, Completed, File
from models.context_engine import ContextEngine
from models.conversations import Histories, InMemoryConversations
from models.doubles import InMemoryLedger
from models.embedder import Embedder
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import InvalidRequest, PolyvoxError
from models.events import InMemoryEventLog
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.adapter import ProviderAdapter
from models.providers.call import ProviderCall
from models.providers.clients import Host, Protocol
from models.providers.fetching import Fetcher
from models.providers.profiles import Profiles
from models.routing.router import RuleRouter
from tests.asgi import Client

PROTOCOLS: Mapping[str, Protocol] = {
    "openai": "openai_chat",
    "anthropic": "anthropic_messages",
    "google": "google_generate",
}
KEY = "pvx_test"
PDF = "JVBERi0xLjQK"
PROVIDER_KEY = "our own key at the provider, in no known form"
_PROFILES = Profiles.load()


class Shelf(Fetcher):
    """Has the same short document at every address."""

    async def fetch(self, urls: Sequence[str]) -> Mapping[str, File | InvalidRequest]:
        return {url: File("application/pdf", data=PDF) for url in urls}


class OneKey:
    async def authenticate(self, presented: str) -> Principal:
        return Principal("k", "u", "t")


class AdapterChunks:
    """An adapter's answer, made in a task of its own so that a reader that leaves can come back."""

    def __init__(self, adapter: ProviderAdapter, call: ProviderCall) -> None:
        self._answer = _answer(adapter, call)
        self._said: asyncio.Queue[list[Chunk] | PolyvoxError | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Chunk]:
        if self._task is None:
            self._task = asyncio.create_task(self._pump())
        said = await self._said.get()
        if isinstance(said, list):
            return said
        self._said.put_nowait(None)
        raise said if said is not None else StopAsyncIteration

    def hang_up(self) -> None:
        if self._task is not None:
            self._task.cancel(HANG_UP)

    async def aclose(self) -> None:
        self.hang_up()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _pump(self) -> None:
        try:
            async for batch in self._answer:
                self._said.put_nowait(batch)
        except PolyvoxError as error:
            self._said.put_nowait(error)
        except Exception as bug:  # told where it can be seen, as a lane would tell it
            logging.getLogger(__name__).exception("an adapter failed")
            self._said.put_nowait(PolyvoxError(repr(bug)))
        finally:
            self._said.put_nowait(None)


async def _answer(adapter: ProviderAdapter, call: ProviderCall) -> AsyncGenerator[list[Chunk]]:
    if not call.request.stream:
        yield [Completed(await adapter.send_chat_request(call))]
        return
    chunks = adapter.stream_chat_response(call)
    try:
        async for batch in chunks:
            yield batch
    finally:
        await chunks.aclose()


class Adapters:
    """The gateway's providers, without a lane between."""

    def __init__(self, bases: Mapping[str, str], *, key: str) -> None:
        """`bases` are addresses by host of the catalogue."""
        self.calls: list[ProviderCall] = []
        self._adapters = {
            host: ProviderAdapter(
                Host(id=host, protocol=PROTOCOLS[host], key=SecretStr(key), base_url=base),
                profiles=_PROFILES,
                fetcher=Shelf(),
            )
            for host, base in bases.items()
        }

    def stream(self, call: ProviderCall) -> AdapterChunks:
        self.calls.append(call)
        return AdapterChunks(self._adapters[call.host], call)

    async def embed(self, call: EmbeddingCall) -> EmbeddingResponse:
        return await self._adapters[call.host].embed(call)

    async def warm(self) -> None:
        """Imports the SDKs, which takes seconds, before anybody waits for an answer."""
        for adapter in self._adapters.values():
            await adapter.check_health()

    async def close(self) -> None:
        for adapter in self._adapters.values():
            await adapter.close()


class Product:
    def __init__(self, providers: Adapters, *, catalog: Catalog | None = None) -> None:
        self.providers = providers
        self.catalog = catalog or load_catalog()
        self.ledger = InMemoryLedger()
        self.conversations = InMemoryConversations()
        every = frozenset(self.catalog.models)
        self.calls = OpenCalls(self.ledger)
        self.gateway = Gateway(
            catalog=self.catalog,
            available=every,
            providers=providers,
            router=ModelRouter(RuleRouter(self.catalog, every)),
            context=ContextEngine(
                self.conversations,
                Histories(self.conversations),
                catalog=lambda: self.catalog,
                events=InMemoryEventLog(),
            ),
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self.app = Api(
            self.gateway,
            OneKey(),
            unready=self._unready,
            embedder=Embedder(
                catalog=self.catalog,
                available=every,
                providers=providers,
                calls=self.calls,
                timeouts=Timeouts(),
            ),
            conversations=self.conversations,
        )
        self.client = Client(self.numbered, key=KEY)
        self._asked = 0

    async def numbered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, where each request is called something else, as at the edge."""
        self._asked += 1
        await self.app({**scope, REQUEST_ID: f"req_{self._asked}"}, receive, send)

    async def _unready(self) -> dict[str, str]:
        return {}


@asynccontextmanager
async def product(bases: Mapping[str, str], *, key: str = PROVIDER_KEY) -> AsyncIterator[Product]:
    providers = Adapters(bases, key=key)
    made = Product(providers)
    try:
        yield made
    finally:
        await made.calls.settle_all()
        await providers.close()
