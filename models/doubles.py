"""Working stand-ins for the gateway's ports: for tests, notebooks, and a gateway in one process."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

from models.catalog import Catalog, load_catalog
from models.chat import Chunk
from models.context_engine import ContextEngine
from models.conversations import ConversationStore, Histories, InMemoryConversations
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import PolyvoxError
from models.events import InMemoryEventLog
from models.ledger import Ask, UsageRecord
from models.ledger.memory import Budget, InMemoryLedgerStore
from models.providers.call import ProviderCall

Script = Iterable[Sequence[Chunk] | PolyvoxError | asyncio.Event]
"""What a provider says, batch by batch; an error is raised where it stands, an event is waited for."""


def play(*said: Any) -> Callable[[ProviderCall], Script]:
    """The same batches and errors for every call."""
    return lambda _: said


class ScriptedProviders:
    """Answers each call as `script` says; remembers the calls, and which of them were hung up on."""

    def __init__(self, script: Callable[[ProviderCall], Script]) -> None:
        self._script = script
        self.calls: list[ProviderCall] = []
        self.left: list[ProviderCall] = []

    def stream(self, call: ProviderCall) -> "ScriptedChunks":
        return ScriptedChunks(self, call)

    def begin(self, call: ProviderCall) -> Iterator[Sequence[Chunk] | PolyvoxError | asyncio.Event]:
        self.calls.append(call)
        return iter(self._script(call))


class ScriptedChunks:
    """`Chunks` of a script."""

    def __init__(self, providers: ScriptedProviders, call: ProviderCall) -> None:
        self._providers = providers
        self._call = call
        self._said: Iterator[Sequence[Chunk] | PolyvoxError | asyncio.Event] | None = None
        self._ended = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Chunk]:
        if self._said is None:
            self._said = self._providers.begin(self._call)
        said = next(self._said, None)
        while isinstance(said, asyncio.Event):
            await _first_of(said, self._ended)
            said = next(self._said, None)
        if said is None or isinstance(said, PolyvoxError) or self._ended.is_set():
            self._ended.set()
            raise said if isinstance(said, PolyvoxError) else StopAsyncIteration
        return list(said)

    def hang_up(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._providers.left.append(self._call)

    async def aclose(self) -> None:
        self.hang_up()


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


class ScriptedEmbeddings:
    """Answers each call with what `script` says of it, or raises that; not before `may_answer`."""

    def __init__(self, script: Callable[[EmbeddingCall], EmbeddingResponse | PolyvoxError]) -> None:
        self._script = script
        self.calls: list[EmbeddingCall] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def embed(self, call: EmbeddingCall) -> EmbeddingResponse:
        self.calls.append(call)
        await self.may_answer.wait()
        said = self._script(call)
        if isinstance(said, PolyvoxError):
            raise said
        return said


def in_memory_context(
    catalog: Catalog | None = None, *, store: ConversationStore | None = None
) -> ContextEngine:
    """The real engine over conversations that are kept in this process, or in `store`."""
    kept, known = store or InMemoryConversations(), catalog or load_catalog()
    return ContextEngine(kept, Histories(kept), catalog=lambda: known, events=InMemoryEventLog())


class InMemoryLedger:
    """`away` makes everything fail with that error."""

    def __init__(self, budgets: Sequence[Budget] = ()) -> None:
        self.store = InMemoryLedgerStore(budgets)
        self.asks: list[Ask] = []
        self.records: list[UsageRecord] = []
        self.away: PolyvoxError | None = None

    async def reserve(self, ask: Ask) -> int:
        self._reach()
        self.asks.append(ask)
        [grant] = await self.store.apply([], [ask])
        if grant.granted_pico is None:
            raise grant.refusal()
        return grant.granted_pico

    async def settle(self, record: UsageRecord) -> None:
        self._reach()
        await self.store.apply([record], [])
        self.records.append(record)

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        self._reach()
        await self.store.renew(records)

    def _reach(self) -> None:
        if self.away is not None:
            raise self.away
