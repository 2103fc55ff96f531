"""An encoder for an event loop: one thread does the work, and those who wait take turns."""

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from models.encoding.encoder import DIMENSIONS, NAME, Encoder
from models.encoding.loading import load_encoder
from models.errors import Internal, Overloaded, PolyvoxError

log = logging.getLogger(__name__)

MAX_QUEUED = 4_096
"""Texts; four times what one batch of long messages makes."""
TURN_CHARS = 1_000
"""So long is a turn, if a text is not longer: a question waits for tens of milliseconds while others fill in
an archive. Larger turns are no faster."""

_NICE = 10

Rows = list[list[float]]


class EncoderService:
    """For one event loop. The encoder is loaded when first needed, in the thread that then runs it."""

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self, load: Callable[[], Encoder] = load_encoder, *, max_queued: int = MAX_QUEUED) -> None:
        self._load = load
        self._max_queued = max_queued
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder", initializer=_step_back)
        self._encoder: Encoder | None = None
        self._calls: deque[_Call] = deque()
        self._turns: asyncio.Task[None] | None = None
        self._closed = False
        self.queued = 0
        """Texts of calls that have not been answered."""

    @property
    def lag_s(self) -> float:
        """How long the oldest of these calls has been waiting."""
        now = time.monotonic()
        return max((now - call.since for call in self._calls), default=0.0)

    async def warm(self) -> None:
        """Returns when the encoder is loaded. Raises Internal if it cannot be."""
        await self.embed([""])

    async def embed(self, texts: Sequence[str]) -> Rows:
        """A vector of length one for each text. Raises Overloaded if too many wait, Internal if it fails."""
        if not texts:
            return []
        if self._closed or self.queued + len(texts) > self._max_queued:
            raise Overloaded("the sentence encoder has more to do than it gets done", retry_after_s=1.0)
        call = _Call(texts)
        self._calls.append(call)
        self.queued += len(texts)
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._work(), name="encoder")
        try:
            return await call.answer
        finally:
            self.queued -= len(texts)

    def close(self) -> None:
        """Who waits gets Overloaded. What the thread is at, it ends."""
        self._closed = True
        for call in self._calls:
            call.fail(Overloaded("the sentence encoder stops"))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._calls:
            call = self._calls[0]
            if not call.answer.done():
                try:
                    call.take(await loop.run_in_executor(self._thread, self._encode, call.turn()))
                except PolyvoxError as error:
                    call.fail(error)
                except Exception:
                    log.exception("the sentence encoder failed")
                    call.fail(Internal("the sentence encoder failed"))
            self._calls.popleft()
            if not call.answer.done():
                self._calls.append(call)

    def _encode(self, texts: Sequence[str]) -> Rows:
        """In the thread."""
        if self._encoder is None:
            self._encoder = self._load()
        rows: Rows = self._encoder.encode(texts).tolist()
        return rows


def _step_back() -> None:
    """Whatever requests need goes first: where threads have priorities of their own, this one's is lower."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class _Call:
    def __init__(self, texts: Sequence[str]) -> None:
        self.answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self.since = time.monotonic()
        self._texts = texts
        self._rows: Rows = []

    def turn(self) -> Sequence[str]:
        """What is next: at least one text."""
        first = last = len(self._rows)
        chars = 0
        while last < len(self._texts) and (last == first or chars + len(self._texts[last]) <= TURN_CHARS):
            chars += len(self._texts[last])
            last += 1
        return self._texts[first:last]

    def take(self, rows: Rows) -> None:
        self._rows += rows
        if len(self._rows) == len(self._texts) and not self.answer.done():
            self.answer.set_result(self._rows)

    def fail(self, error: PolyvoxError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
