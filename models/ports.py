"""What the gateway needs from others, as small protocols. Each is met by a lane client or by a double."""

from collections.abc import AsyncGenerator
from typing import Protocol

from models.catalog import Mode
from models.chat import ChatRequest, Chunk
from models.ledger import UsageRecord
from models.providers.call import ProviderCall
from models.routing import Plan


class Providers(Protocol):
    def stream(self, call: ProviderCall) -> AsyncGenerator[list[Chunk], None]:
        """The answer's chunks, each time all that have arrived. Of a request that is not a stream: one
        `Completed`. Raises ProviderError and its kin."""
        ...


class Router(Protocol):
    async def plan(self, request: ChatRequest, mode: Mode) -> Plan: ...


class ContextEngine(Protocol):
    async def optimize_context(
        self, request: ChatRequest, *, conversation_id: str, model_id: str
    ) -> ChatRequest:
        """The request as it fits the model, with the conversation before it."""
        ...


class CostLedger(Protocol):
    async def record(self, record: UsageRecord) -> None:
        """Returns once it is durable; recording again changes nothing."""
        ...
