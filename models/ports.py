"""What the gateway needs from others, as small protocols. Each is met by a lane client or by a double."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from models.catalog import Mode
from models.chat import ChatRequest, Chunk
from models.ledger import Ask, UsageRecord
from models.providers.call import ProviderCall
from models.routing import Plan


class Chunks(Protocol):
    """An answer's chunks, each time all that have arrived; of one that is not a stream, one `Completed`.

    Raises ProviderError and its kin. A reader that is cancelled may come back for the rest.
    """

    def __aiter__(self) -> AsyncIterator[list[Chunk]]: ...

    async def __anext__(self) -> list[Chunk]: ...

    def hang_up(self) -> None:
        """End the call. What the provider has sent until then still comes: it is paid for."""
        ...

    async def aclose(self) -> None:
        """End the call and read no more."""
        ...


class Providers(Protocol):
    def stream(self, call: ProviderCall) -> Chunks:
        """Makes the call when the first chunk is asked for."""
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
    async def reserve(self, ask: Ask) -> int:
        """Holds what a call may cost and returns the pico-USD, durably. Raises BudgetExceeded, BudgetHeld;
        Overloaded where nobody can tell."""
        ...

    async def settle(self, record: UsageRecord) -> None:
        """Resolves the hold of the call by what it cost. Returns once that is durable, if not in the ledger
        then where it will be read from when the ledger is back. Telling it again changes nothing."""
        ...

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        """These calls are still under way, and so far have cost this."""
        ...
