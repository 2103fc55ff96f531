"""What the gateway needs from others, as small protocols. Each is met by a lane client or by a double."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from models.catalog import Mode
from models.chat import ChatRequest, Chunk
from models.conversations import Owner, Written
from models.conversing import (
    Interaction,
    Optimized,
    Standing,
    Summary,
    SummaryDue,
    Switch,
    Switched,
    Turn,
)
from models.ledger import Ask, UsageRecord
from models.providers.call import ProviderCall
from models.routing import Plan
from models.routing.router import Setting


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
    async def plan(self, request: ChatRequest, mode: Mode, setting: Setting | None = None) -> Plan: ...


class ContextEngine(Protocol):
    """Each method raises NotFound for a conversation that the owner does not have, Overloaded if the store is
    away."""

    async def open_conversation(self, owner: Owner, conversation_id: str, *, create: bool) -> Standing:
        """`create`: one that there is not is made. Raises Conflict if it is somebody else's then."""
        ...

    async def optimize_context(self, turn: Turn) -> Optimized:
        """The conversation with what is new, as it fits each of the models."""
        ...

    async def update_context(self, interaction: Interaction) -> Written:
        """Returns once what was said and answered is durable. Told again it is written once."""
        ...

    async def preserve_context(self, switch: Switch) -> Switched:
        """Make the conversation ready for another model. Raises Conflict while tool calls are under way."""
        ...

    async def summary_due(self, owner: Owner, conversation_id: str, branch: int) -> SummaryDue | None:
        """What a model should summarise now, if anything."""
        ...

    async def take_summary(self, summary: Summary) -> bool:
        """Whether it is good enough to be sent in place of what it is of."""
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
