"""Calls that money is held for: held before they are made, renewed while they go on, settled in any event."""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from models.errors import PaymentRequired, PolyvoxError
from models.ledger import Ask, UsageRecord
from models.ledger.usage import Status
from models.ports import CostLedger

log = logging.getLogger(__name__)

RENEW_AFTER_S = 5.0
RENEWED_AT_ONCE = 100
FORGOTTEN_AFTER_S = 7_200.0
"""No call takes that long: whoever held for it has lost it, and its hold is to lapse."""

T = TypeVar("T")


class Held(Protocol):
    """A provider call, as far as its money goes."""

    op_key: str

    @property
    def age_s(self) -> float: ...

    def ask(self, *, wait_s: float) -> Ask: ...

    def progress(self) -> UsageRecord:
        """What is to be charged if nobody ever tells how it ended."""
        ...

    def record(self, status: Status) -> UsageRecord:
        """What it costs; nothing if it was not made."""
        ...


class OpenCalls:
    """Belongs to one event loop."""

    def __init__(self, ledger: CostLedger) -> None:
        self._ledger = ledger
        self._held: dict[str, tuple[Held, int]] = {}
        """What is held and not settled, by its `op_key`, with the amount."""
        self._kept: set[asyncio.Task[Any]] = set()

    async def reserve(self, call: Held, *, wait_s: float) -> int:
        """Hold what the call may cost, durably. Raises as the ledger does."""
        try:
            granted_pico = await self._ledger.reserve(call.ask(wait_s=wait_s))
        except PaymentRequired:
            raise
        except (PolyvoxError, asyncio.CancelledError) as error:
            if getattr(error, "sent", True):  # it may be held all the same
                self.keep(self.settle(call.record("cancelled")))
            raise
        self._held[call.op_key] = call, granted_pico
        return granted_pico

    async def settle(self, record: UsageRecord) -> None:
        """Returns when what the call cost is durable: it is renewed no more, whatever becomes of that."""
        _, held_pico = self._held.pop(record.op_key, (None, 0))
        if record.cost_pico > held_pico:
            log.error("%s cost %d pico-USD, and %d were held", record.op_key, record.cost_pico, held_pico)
        await self._ledger.settle(record)

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of its own, whatever becomes of the request; `settle_all` waits for it."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._kept.add(task)
        task.add_done_callback(self._ended)
        return task

    async def renew(self) -> None:
        """Say what is still under way; to be called well within the ledger's lease."""
        for op_key in [key for key, (call, _) in self._held.items() if call.age_s > FORGOTTEN_AFTER_S]:
            log.error("%s was never settled", op_key)
            del self._held[op_key]
        lasting = [call for call, _ in self._held.values() if call.age_s > RENEW_AFTER_S]
        for start in range(0, len(lasting), RENEWED_AT_ONCE):
            some = lasting[start : start + RENEWED_AT_ONCE]
            await self._ledger.renew([call.progress() for call in some if call.op_key in self._held])

    async def settle_all(self) -> None:
        """Wait for the records of calls that nobody waits for any more."""
        while self._kept:
            await asyncio.wait(self._kept)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._kept.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("what was to be kept is lost: %r", error)
