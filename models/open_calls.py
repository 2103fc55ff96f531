"""Calls that money is held for: held before they are made, renewed while they go on, settled in any event.

What they count against limits goes along with their money: claimed before it is held, put right with it.
"""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from models.errors import PaymentRequired, PolyvoxError
from models.ledger import Ask, UsageRecord
from models.ledger.usage import Status
from models.limits import NOTHING, Admission, Admitted, Claim, Rate, Who
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


class _Open(NamedTuple):
    call: Held
    granted_pico: int
    admitted: Admitted


class OpenCalls:
    """Belongs to one event loop."""

    def __init__(self, ledger: CostLedger, *, limits: Admission | None = None) -> None:
        self._ledger = ledger
        self._limits = limits
        self._held: dict[str, _Open] = {}
        """What is held and not settled, by its `op_key`."""
        self._kept: set[asyncio.Task[Any]] = set()

    async def reserve(self, call: Held, *, wait_s: float) -> int:
        """Hold what the call may cost, durably. Raises as the ledger does, and RateLimited."""
        ask = call.ask(wait_s=wait_s)
        admitted = NOTHING if self._limits is None else await self._limits.admit(_claim(ask))
        try:
            granted_pico = await self._ledger.reserve(ask)
        except (PolyvoxError, asyncio.CancelledError) as error:
            admitted.withdraw()
            if not isinstance(error, PaymentRequired) and getattr(error, "sent", True):
                self.keep(self.settle(call.record("cancelled")))  # it may be held all the same
            raise
        self._held[call.op_key] = _Open(call, granted_pico, admitted)
        return granted_pico

    def rates(self, call: Held) -> Sequence[Rate]:
        """How the limits stand that the call counts against; it is still held."""
        open_call = self._held.get(call.op_key)
        return () if open_call is None else open_call.admitted.rates()

    async def settle(self, record: UsageRecord) -> None:
        """Returns when what the call cost is durable: it is renewed no more, whatever becomes of that."""
        _, held_pico, admitted = self._held.pop(record.op_key, (None, 0, NOTHING))
        admitted.settle(
            input_tokens=_input_tokens(record),
            output_tokens=record.output_tokens,
            spend_pico=record.cost_pico,
        )
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
        for op_key in [key for key, held in self._held.items() if held.call.age_s > FORGOTTEN_AFTER_S]:
            log.error("%s was never settled", op_key)
            self._held.pop(op_key).admitted.release()
        lasting = [call for call, *_ in self._held.values() if call.age_s > RENEW_AFTER_S]
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


def _claim(ask: Ask) -> Claim:
    """By what it is charged if nobody tells more of it: its input, and no answer yet."""
    return Claim(
        who=Who(ask.tenant_id, ask.team_id, ask.user_id, ask.key_id),
        model=ask.record.model_id,
        provider=ask.record.provider,
        input_tokens=_input_tokens(ask.record),
        output_tokens=ask.record.output_tokens,
        spend_pico=ask.record.cost_pico,
    )


def _input_tokens(record: UsageRecord) -> int:
    return (
        record.input_tokens
        + record.cache_read_tokens
        + record.cache_write_5m_tokens
        + record.cache_write_1h_tokens
    )
