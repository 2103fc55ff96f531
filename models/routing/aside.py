"""What is taken on the hot path and written aside, in batches."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from models.errors import Overloaded

log = logging.getLogger(__name__)

MAX_PENDING = 5_000
BATCH = 500

T = TypeVar("T")


class Aside(Generic[T]):
    """`write` may be told the same again. What comes while `MAX_PENDING` wait is not kept: the database does
    not keep up."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._pending: deque[T] = deque()
        self._one_at_a_time = asyncio.Lock()
        self.lost = 0
        """That were not kept."""

    def note(self, one: T) -> None:
        """Waits for nothing and raises nothing."""
        if len(self._pending) < MAX_PENDING:
            self._pending.append(one)
        else:
            self.lost += 1

    async def run_once(self) -> None:
        """Writes what waits. What cannot be written waits on."""
        async with self._one_at_a_time:
            while self._pending:
                batch = list(islice(self._pending, BATCH))
                try:
                    await self._write(batch)
                except Overloaded as error:
                    log.warning("%s rows wait to be written: %s", len(self._pending), error)
                    return
                for _ in batch:
                    self._pending.popleft()
