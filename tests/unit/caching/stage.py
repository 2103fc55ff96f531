"""A gateway over doubles whose answers are cached, as one of several replicas over one store."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from models.caching import (
    CacheInvalidation,
    Flights,
    InMemoryCache,
    InMemorySimilar,
    Invalidation,
    LocalAnswers,
    Mode,
    SimilarAnswers,
)
from models.caching.similar import Vector
from models.caller import Caller
from models.catalog import load_catalog
from models.chat import ChatRequest, ChatResponse, Chunk, Completed, Message, Text, Usage
from models.conversations import Vector as Embedded
from models.doubles import InMemoryLedger, Script, ScriptedProviders, in_memory_context
from models.encoding import WordHashEncoder
from models.gateway import Gateway, Timeouts
from models.identity import Principal
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.assembly import Assembly
from models.providers.call import ProviderCall
from models.reply import Reply
from models.resilience import PLAIN, Resilience
from models.response_cache import ResponseCache
from models.routing.policies import Policies
from models.routing.router import RuleRouter

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
GPT = "gpt-5.4-mini"
USAGE = Usage(input=100, output=10)


def asking(text: str = "hi", **fields: Any) -> ChatRequest:
    return ChatRequest(**{"model": GPT, "messages": (Message("user", (Text(text),)),)} | fields)


def says(*parts: Any, finish: Any = "stop", usage: Usage = USAGE) -> list[Chunk]:
    return [Completed(ChatResponse(id="i", model="m", parts=parts, finish=finish, usage=usage))]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def embed(text: str) -> Vector:
    (row,) = WordHashEncoder().encode([text]).tolist()
    return Embedded(tuple(row), "word-hash")


class Replica:
    def __init__(
        self,
        script: Callable[[ProviderCall], Script],
        *,
        store: InMemoryCache | None = None,
        local: bool = True,
        mode: Mode = "off",
        similar: InMemorySimilar | None = None,
        policies: Policies | None = None,
        embedding: Callable[[str], Awaitable[Vector]] = embed,
        flights: Flights | None = None,
    ) -> None:
        self.providers = ScriptedProviders(script)
        self.ledger = InMemoryLedger()
        self.calls = OpenCalls(self.ledger)
        self.store = store or InMemoryCache()
        self.local = LocalAnswers() if local else LocalAnswers(max_bytes=0)
        self.alike = similar or InMemorySimilar()
        self.similar = SimilarAnswers(self.alike, embedding, secret=b"secret", mode=mode)
        self.cache = ResponseCache(
            self.store,
            self.calls,
            catalog=lambda: CATALOG,
            secret=b"secret",
            ttl_s=60,
            policies=policies,
            local=self.local,
            similar=self.similar,
            flights=flights,
        )
        self.gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.providers,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(),
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self.invalidation = CacheInvalidation([self.store.invalidate, self.alike.invalidate, self._here])

    async def begin(
        self,
        request: ChatRequest,
        *,
        user: str = "ann",
        tenant: str = "t",
        similar: bool = False,
        resilience: Resilience = PLAIN,
    ) -> Reply:
        who = Principal("k", user, tenant)
        caller = Caller(who, request_id=f"req_{uuid4()}", endpoint="/", resilience=resilience)
        return await self.cache.answer(request, caller, self.gateway.chat, similar=similar)

    async def ask(self, request: ChatRequest | None = None, **whose: Any) -> tuple[bool, str]:
        """Whether it was known, and the answer's text."""
        reply = await self.begin(request or asking(), **whose)
        said = Assembly()
        async for batch in reply.chunks:
            said.add(batch)
        await self.calls.settle_all()
        return reply.from_cache, "".join(part.text for part in said.parts if isinstance(part, Text))

    async def together(self, *asked: ChatRequest, **whose: Any) -> list[tuple[bool, str]]:
        return await asyncio.gather(*(self.ask(request, **whose) for request in asked))

    async def _here(self, what: Invalidation) -> None:
        self.cache.forget(what)
