"""The product over doubles of its ports, and the providers' official SDKs as its clients in this process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
from google import genai
from google.genai.types import HttpOptions

from deployments.api.app import Api
from deployments.api.door import Door
from deployments.edge import Edge
from models.catalog import load_catalog
from models.chat import ChatResponse, Chunk, Completed, Finished, Started, Usage
from models.context_engine import ContextEngine
from models.conversations import Histories, InMemoryConversations
from models.doubles import InMemoryLedger, Script, ScriptedProviders, play
from models.errors import PolyvoxError, Unauthenticated
from models.events import InMemoryEventLog
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.limits import Admission, InMemoryCounters, InMemoryLimits, LimitBook, Shedder
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from tests.asgi import Client

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
KEY = "pvx_test"
USAGE = Usage(input=100, cache_read=20, output=10, reasoning=4)
MODELS = ("gpt-5.4-mini", "claude-haiku-4-5", "gemini-3.5-flash")
URL = "http://polyvox"


class OneKey:
    async def authenticate(self, presented: str) -> Principal:
        if presented != KEY:
            raise Unauthenticated("that key is not known")
        return Principal("k", "u", "t")


class Stage:
    def __init__(self, script: Callable[[ProviderCall], Script]) -> None:
        self.providers = ScriptedProviders(script)
        self.ledger = InMemoryLedger()
        self.book = LimitBook(InMemoryLimits())
        self.limits = Admission(self.book, InMemoryCounters().of("r"))
        self.pressure = 0.0
        """From 0 to 1: how busy the gateway is."""
        self.conversations = InMemoryConversations()
        context = ContextEngine(
            self.conversations,
            Histories(self.conversations),
            catalog=lambda: CATALOG,
            events=InMemoryEventLog(),
        )
        self.gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=context,
            calls=OpenCalls(self.ledger, limits=self.limits),
            timeouts=Timeouts(),
        )
        self.app = Api(
            self.gateway,
            OneKey(),
            unready=self._unready,
            conversations=self.conversations,
            door=Door(self.limits, Shedder([lambda: self.pressure])),
        )
        self.client = Client(self.app, key=KEY)
        self._http = httpx2.ASGITransport(Edge(self.app))

    @property
    def asked(self) -> ProviderCall:
        return self.providers.calls[-1]

    def http(self) -> httpx2.AsyncClient:
        """Without a key."""
        return httpx2.AsyncClient(transport=self._http, base_url=URL)

    def anthropic(self, **options: Any) -> anthropic.AsyncAnthropic:
        http = httpx2.AsyncClient(transport=self._http)
        return anthropic.AsyncAnthropic(api_key=KEY, base_url=URL, http_client=http, max_retries=0, **options)

    def openai(self) -> openai.AsyncOpenAI:
        http = httpx2.AsyncClient(transport=self._http)
        return openai.AsyncOpenAI(api_key=KEY, base_url=f"{URL}/v1", http_client=http, max_retries=0)

    def google(self, *, key: str = KEY, **options: Any) -> genai.Client:
        http = httpx2.AsyncClient(transport=self._http)
        return genai.Client(
            api_key=key, http_options=HttpOptions(base_url=URL, httpx_async_client=http, **options)
        )

    async def _unready(self) -> dict[str, str]:
        return {}


def says(*parts: Any, finish: Any = "stop", usage: Usage = USAGE, **fields: Any) -> Any:
    response = ChatResponse(id="i", model="m", parts=parts, finish=finish, usage=usage, **fields)
    return play([Completed(response)])


def streams(*chunks: Chunk, finish: Any = "stop", **fields: Any) -> Any:
    return play([Started("i", "m")], *([c] for c in chunks), [Finished(finish, USAGE, **fields)])


def raises(error: PolyvoxError) -> Any:
    return play(error)


class _Through(httpx2.BaseTransport):
    """A blocking client's way to an application that runs in the event loop of another thread."""

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._http = httpx2.ASGITransport(app)
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = asyncio.run_coroutine_threadsafe(self._ask(request), self._loop)
        return asked.result(10)

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        sent = httpx2.Request(request.method, request.url, headers=request.headers, content=request.read())
        response = await self._http.handle_async_request(sent)
        body = await response.aread()
        return httpx2.Response(response.status_code, headers=response.headers, content=body)


@contextmanager
def blocking(script: Callable[[ProviderCall], Script]) -> Iterator[tuple[Stage, httpx2.Client]]:
    """The product in a thread of its own, and an HTTP client for SDKs that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        stage = Stage(script)
        with httpx2.Client(transport=_Through(Edge(stage.app), loop)) as http:
            yield stage, http
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
