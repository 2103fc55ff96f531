"""The HTTP surface over doubles, with idempotency keys honoured."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from deployments.api.app import Api
from deployments.api.exchange import REQUEST_ID, Receive, Scope, Send
from deployments.api.idempotency import HEADER, AnsweredOnce
from models.catalog import load_catalog
from models.chat import ChatResponse, Completed, Finished, Started, Text, TextDelta, Usage
from models.conversations import InMemoryConversations, Owner, new_conversation
from models.doubles import InMemoryLedger, Script, ScriptedEmbeddings, ScriptedProviders, in_memory_context
from models.embedder import Embedder
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import Overloaded, PolyvoxError
from models.gateway import Gateway, Timeouts
from models.idempotency import Idempotency, InMemoryIdempotency
from models.identity import Principal
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.providers.call import ProviderCall
from models.routing.router import RuleRouter
from tests.asgi import Client, Response

CATALOG = load_catalog()
EVERY = frozenset(CATALOG.models)
USAGE = Usage(input=100, output=10)
CONVERSATION = "5b0fb8f4-4a0b-4a52-9b0a-6d3a3d1c2f10"
CHAT = "/v1/chat/completions"
ASKED: dict[str, Any] = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}]}
STREAMED = ASKED | {"stream": True}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


class KeyIsUser:
    async def authenticate(self, presented: str) -> Principal:
        return Principal(f"key of {presented}", presented, "t")


class Store(InMemoryIdempotency):
    """`away` keeps it from answering."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.away = False
        self.asked = 0

    async def claim(self, *args: Any, **said: Any) -> Any:
        self._reach()
        return await super().claim(*args, **said)

    async def finish(self, *args: Any, **said: Any) -> bool:
        self._reach()
        return await super().finish(*args, **said)

    def _reach(self) -> None:
        self.asked += 1
        if self.away:
            raise Overloaded("away")


class Stage:
    """Each answer is another one. Providers answer once they `may`, and fail with `failures` first."""

    def __init__(self, *, wait_s: float = 5.0, clock: Callable[[], float] | None = None) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.failures: list[PolyvoxError] = []
        self.said = "Hello"
        self.ledger = InMemoryLedger()
        self.calls = OpenCalls(self.ledger)
        self.chat = ScriptedProviders(self._chat)
        self.embeddings = ScriptedEmbeddings(self._embed)
        self.embeddings.may_answer = self.may
        self.conversations = InMemoryConversations()
        self.store = Store(**({} if clock is None else {"clock": clock}))
        self.idempotency = self.replica(wait_s=wait_s)
        self.once = AnsweredOnce(self.idempotency)
        embedder = Embedder(
            catalog=CATALOG, available=EVERY, providers=self.embeddings, calls=self.calls, timeouts=Timeouts()
        )
        gateway = Gateway(
            catalog=CATALOG,
            available=EVERY,
            providers=self.chat,
            router=ModelRouter(RuleRouter(CATALOG, EVERY)),
            context=in_memory_context(CATALOG, store=self.conversations),
            calls=self.calls,
            timeouts=Timeouts(),
        )
        self._numbers = count(1)
        self._answers = count(1)
        self.api = Api(
            gateway,
            KeyIsUser(),
            unready=self._unready,
            embedder=embedder,
            conversations=self.conversations,
            once=self.once,
        )

    def replica(self, *, wait_s: float = 5.0, secret: bytes = b"secret") -> Idempotency:
        return Idempotency(self.store, secret=secret, wait_s=wait_s)

    @property
    def called(self) -> int:
        return len(self.chat.calls) + len(self.embeddings.calls)

    async def ask(
        self,
        body: dict[str, Any],
        *,
        path: str = CHAT,
        key: str | None = "k1",
        user: str = "ann",
        leave_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        sent = {**(headers or {}), **({} if key is None else {HEADER.decode(): key})}
        if "{model}" in path:
            path = path.replace("{model}", body["model"])
            body = {name: value for name, value in body.items() if name != "model"}
        client = Client(self._numbered, key=user)
        return await client.request("POST", path, body, headers=sent, leave_after=leave_after)

    async def with_conversation(self) -> None:
        await self.conversations.create(Owner("t", "ann"), new_conversation(id=CONVERSATION))

    async def _numbered(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, _, query = scope["path"].partition("?")
        named = {REQUEST_ID: f"req_{next(self._numbers)}", "path": path, "query_string": query.encode()}
        await self.api({**scope, **named}, receive, send)

    def _chat(self, call: ProviderCall) -> Script:
        yield self.may
        if self.failures:
            yield self.failures.pop(0)
        said = f"{self.said} {next(self._answers)}"
        if call.request.stream:
            yield [Started("i", "m"), TextDelta(said)]
            self.begun.set()
            yield self.may_end
            if self.failures:
                yield self.failures.pop(0)
            yield [Finished("stop", USAGE)]
        else:
            parts = (Text(said),)
            yield [Completed(ChatResponse(id="i", model="m", parts=parts, finish="stop", usage=USAGE))]

    def _embed(self, call: EmbeddingCall) -> EmbeddingResponse | PolyvoxError:
        if self.failures:
            return self.failures.pop(0)
        vector = bytes([0, 0, next(self._answers), 0])
        return EmbeddingResponse(vectors=(vector,) * len(call.request.inputs), usage=Usage(input=1))

    async def _unready(self) -> dict[str, str]:
        return {}
