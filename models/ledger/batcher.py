"""Group commit: records that come while a transaction runs make up the next one."""

import asyncio
import logging
from collections import deque

from models.errors import Internal, Overloaded, PolyvoxError
from models.ledger.usage import UsageRecord, UsageStore

log = logging.getLogger(__name__)

_Waiting = tuple[UsageRecord, asyncio.Future[None]]

MAX_BATCH = 256
MAX_WAITING = 50_000
AWAY_S = 0.25


class UsageBatcher:
    """One transaction at a time; nobody waits for a timer."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def record(self, record: UsageRecord) -> None:
        """Returns once it is durable, however long the store is away; whoever cannot wait stops waiting.

        Once taken it is written even if nobody waits for it any more. Raises what the store has against it.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded("the ledger's queue is full", sent=False)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await done

    async def flush(self) -> None:
        """Returns when everything taken so far is durable."""
        while self._writer is not None:
            await asyncio.wait({self._writer})

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                if not await self._commit(batch):
                    self._waiting.extendleft(reversed(batch))
                    await asyncio.sleep(AWAY_S)
        finally:
            self._writer = None

    async def _commit(self, batch: list[_Waiting]) -> bool:
        """Whether the batch is dealt with: while the store is away it waits, whoever still waits for it.

        A record that the store cannot take spoils its batch: then each is tried alone.
        """
        error = await self._try([record for record, _ in batch])
        if isinstance(error, Overloaded):
            return False
        for record, done in batch:
            if isinstance(error, Internal) and len(batch) > 1:
                _resolve(done, await self._try([record]))
            else:
                _resolve(done, error)
        return True

    async def _try(self, records: list[UsageRecord]) -> PolyvoxError | None:
        try:
            await self._store.record_many(records)
        except PolyvoxError as error:
            return error
        except Exception:  # whatever it is, those who wait must hear of it
            log.exception("a batch of %d records failed", len(records))
            return Internal("the ledger failed")
        return None


def _resolve(done: asyncio.Future[None], error: PolyvoxError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
