"""Group commit: records that come while a transaction runs make up the next one."""

import asyncio
from collections import deque

from models.errors import Overloaded, PolyvoxError
from models.ledger.usage import UsageRecord, UsageStore

MAX_BATCH = 256
MAX_WAITING = 50_000


class UsageBatcher:
    """One transaction at a time; nobody waits for a timer."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._waiting: deque[tuple[UsageRecord, asyncio.Future[None]]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def record(self, record: UsageRecord) -> None:
        """Returns once it is durable. Raises what kept its transaction from committing."""
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded("the ledger's queue is full", sent=False)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                await self._commit(batch)
        finally:
            self._writer = None

    async def _commit(self, batch: list[tuple[UsageRecord, asyncio.Future[None]]]) -> None:
        error: PolyvoxError | None = None
        try:
            await self._store.record_many([record for record, _ in batch])
        except PolyvoxError as raised:
            error = raised
        for _, done in batch:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
