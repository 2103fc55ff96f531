"""The ledger as the gateway sees it: what a call cost is durable in time, wherever."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from models.errors import DeadlineExceeded, Overloaded, ReplicaLost
from models.ledger.holds import Ask
from models.ledger.outbox import Outbox
from models.ledger.usage import UsageRecord

log = logging.getLogger(__name__)

_AWAY = (Overloaded, DeadlineExceeded, ReplicaLost, TimeoutError)


class Ledger(Protocol):
    async def reserve(self, ask: Ask) -> int: ...

    async def settle(self, record: UsageRecord) -> None: ...

    async def renew(self, records: Sequence[UsageRecord]) -> None: ...


class DurableLedger:
    """Reservations need the ledger; what is owed is kept in the outbox while it is away."""

    def __init__(self, ledger: Ledger, outbox: Outbox, *, patience_s: float) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._patience_s = patience_s
        self._is_away = False

    async def reserve(self, ask: Ask) -> int:
        return await self._ledger.reserve(ask)

    async def settle(self, record: UsageRecord) -> None:
        if not self._is_away:
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._ledger.settle(record)
                return
            except _AWAY as error:
                log.warning("the ledger is away: %s goes to the outbox (%r)", record.op_key, error)
                self._is_away = True
        await self._outbox.append(record)

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        await self._ledger.renew(records)

    async def tell_kept(self) -> None:
        """To be called every second or so."""
        try:
            told = await self._outbox.tell(self._ledger.settle)
        except _AWAY:
            return
        self._is_away = False
        if told:
            log.warning("the ledger is back: %d records of the outbox were told", told)
