"""Working stand-ins for the gateway's ports: for tests, notebooks, and a gateway in one process."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any

from models.chat import ChatRequest, Chunk
from models.errors import PolyvoxError
from models.ledger import InMemoryUsageStore, UsageRecord
from models.providers.call import ProviderCall

Script = Iterable[Sequence[Chunk] | PolyvoxError]
"""What a provider says, batch by batch; an error is raised where it stands."""


def play(*said: Any) -> Callable[[ProviderCall], Script]:
    """The same batches and errors for every call."""
    return lambda _: said


class ScriptedProviders:
    """Answers each call as `script` says; remembers the calls, and which of them were hung up on."""

    def __init__(self, script: Callable[[ProviderCall], Script]) -> None:
        self._script = script
        self.calls: list[ProviderCall] = []
        self.left: list[ProviderCall] = []

    async def stream(self, call: ProviderCall) -> AsyncGenerator[list[Chunk], None]:
        self.calls.append(call)
        done = False
        try:
            for said in self._script(call):
                if isinstance(said, PolyvoxError):
                    done = True
                    raise said
                yield list(said)
            done = True
        finally:
            if not done:
                self.left.append(call)


class UnchangedContext:
    async def optimize_context(
        self, request: ChatRequest, *, conversation_id: str, model_id: str
    ) -> ChatRequest:
        del conversation_id, model_id
        return request


class InMemoryLedger:
    """`away` makes recording fail with that error."""

    def __init__(self) -> None:
        self.store = InMemoryUsageStore()
        self.records: list[UsageRecord] = []
        self.away: PolyvoxError | None = None

    async def record(self, record: UsageRecord) -> None:
        if self.away is not None:
            raise self.away
        await self.store.record_many([record])
        self.records.append(record)
