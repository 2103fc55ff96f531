"""Runs the lines of batches, as many at once as is good for everybody else.

Each line is an ordinary request, held and paid for as any other, and each run of it has an id of its own in
the ledger, made of the batch, the line and which run it is: none is charged twice. The calls of a runner that
dies are charged as those of any caller that is gone; somebody else runs its lines again, and only the last
run's answer counts.
"""

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from models.batches.line import Answer, Claimed
from models.batches.pace import MAX_TRIES, TURNED_AWAY, Pace, wait_s
from models.batches.store import LineStore
from models.errors import Overloaded, PolyvoxError, ReplicaLost

log = logging.getLogger(__name__)

POLL_S = 0.5
_STORE_AGAIN_S = 1.0
_CLAIMED_AT_ONCE = 16


class Answers(Protocol):
    async def answer(self, line: Claimed) -> Answer:
        """What a client over HTTP would get. Never raises a PolyvoxError."""
        ...

    def failed(self, line: Claimed, error: PolyvoxError) -> Answer:
        """The answer to a request that failed so."""
        ...


class Limits(Struct, frozen=True, kw_only=True):
    """How many lines are under way at once."""

    most: int = 64
    """In one runner."""
    most_of_batch: int = 32
    """Of one batch, in all runners."""
    most_bytes: int = 64 * 1024 * 1024
    """Of requests in one runner: while there are more, none is taken on."""


class BatchRunner:
    """Any number of them may run; each belongs to one event loop."""

    def __init__(self, store: LineStore, answers: Answers, *, limits: Limits | None = None) -> None:
        self._store = store
        self._answers = answers
        self._limits = limits or Limits()
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._paces: dict[str, Pace] = {}
        self._is_leaving = False

    @property
    def in_flight(self) -> int:
        return len(self._running)

    async def run_once(self) -> None:
        """Until there is nothing to be run now. What it has begun goes on if it is cancelled: see `drain`."""
        while not self._is_leaving:
            claimed = await self._claim_some()
            if not (claimed or self._running):
                return
            if self._running:
                await asyncio.wait(
                    self._running,
                    # Others' lines may become free, and waits of these end, without a word to us.
                    timeout=None if self._is_full else POLL_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )

    async def renew(self) -> None:
        """Say what is still under way, and give up what somebody else has taken over; to be called well
        within a lease."""
        running = dict(self._running)
        if not running:
            return
        ours = await self._store.renew(list(running.values()))
        for task, line in running.items():
            if (line.batch_id, line.number, line.run) not in ours and not task.done():
                log.warning("%s was taken over", line.request_id)
                task.cancel()

    async def drain(self) -> None:
        """Take on nothing more, and wait for what is under way."""
        self._is_leaving = True
        while self._running:
            await asyncio.wait(self._running)

    @property
    def _is_full(self) -> bool:
        size = sum(len(line.body) for line in self._running.values())
        return len(self._running) >= self._limits.most or size >= self._limits.most_bytes

    async def _claim_some(self) -> int:
        """Of each batch in turn, the oldest first, no more than its pace allows."""
        if self._is_full:
            return 0
        open_ids = await self._store.open()
        self._paces = {id: self._paces.get(id) or Pace(self._limits.most_of_batch) for id in open_ids}
        claimed = 0
        for id in open_ids:
            if self._is_full:
                break
            claimed += len(lines := await self._claim(id))
            for line in lines:
                task = asyncio.get_running_loop().create_task(
                    self._run(line), context=contextvars.Context(), name=line.request_id
                )
                self._running[task] = line
                task.add_done_callback(self._ended)
        return claimed

    async def _claim(self, id: str) -> Sequence[Claimed]:
        ours = sum(line.batch_id == id for line in self._running.values())
        room = min(self._limits.most - len(self._running), self._paces[id].allowed - ours, _CLAIMED_AT_ONCE)
        if room < 1:
            return ()
        return await self._store.claim(id, limit=room, most_running=self._limits.most_of_batch)

    async def _run(self, line: Claimed) -> None:
        if line.tries >= MAX_TRIES:
            lost = ReplicaLost(f"whoever ran this line was lost {line.tries} times")
            await self._store_for_good(line, self._answers.failed(line, lost), wait=None)
            return
        answer = await self._answers.answer(line)
        wait = None if answer.error is None else wait_s(answer.error, line)
        if pace := self._paces.get(line.batch_id):
            if isinstance(answer.error, TURNED_AWAY):
                pace.turned_away()
            else:
                pace.answered()
        await self._store_for_good(line, answer, wait=wait)

    async def _store_for_good(self, line: Claimed, answer: Answer, *, wait: float | None) -> None:
        """However long the database is away: what was paid for is not thrown away."""
        while True:
            try:
                if wait is not None:
                    tries = not isinstance(answer.error, TURNED_AWAY)
                    await self._store.put_back(line, wait_s=wait, tries=int(tries))
                elif not await self._store.finish(line, answer):
                    log.warning("the answer of %s came too late", line.request_id)
                return
            except Overloaded:
                await asyncio.sleep(_STORE_AGAIN_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a line of a batch was left to others: %r", error)
