"""One attempt at a provider, and its time limits."""

import asyncio
import math
from collections.abc import Callable

from msgspec import Struct

from models.chat import ChatRequest
from models.errors import ProviderTimeout


class ProviderCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All time limits count from the start of the attempt, except `idle_timeout_s`."""

    request: ChatRequest
    host: str
    model: str
    """What the host is sent as the model's name."""
    max_output_tokens: int
    """The most that the model can answer."""
    request_id: str
    connect_timeout_s: float = 5.0
    """Waiting for a free connection of the pool counts as connecting."""
    first_byte_timeout_s: float = 120.0
    """An answer that is not streamed has its first byte when it is done."""
    idle_timeout_s: float = 60.0
    """Between two reads of an answer that has begun."""
    total_timeout_s: float = 600.0


class Clock:
    """Says until when the call may wait for what it now waits for. Times are the event loop's."""

    def __init__(self, call: ProviderCall, *, provider: str) -> None:
        self._call = call
        self._provider = provider
        self._now = asyncio.get_running_loop().time
        start = self._now()
        self._total_at = start + call.total_timeout_s
        self._wait_at = start + call.first_byte_timeout_s
        self._begun = False

    def deadline(self) -> float:
        return min(self._wait_at, self._total_at)

    def waits(self) -> None:
        """A read begins. Until the answer does, the limit is the first byte's."""
        if self._begun:
            self._wait_at = self._now() + self._call.idle_timeout_s

    def arrived(self) -> None:
        """It is ours to be slow until the next read."""
        self._begun = True
        self._wait_at = math.inf

    def late(self) -> ProviderTimeout:
        call = self._call
        if self._total_at <= self._wait_at:
            said = f"total time limit: not done within {call.total_timeout_s:g} s"
        elif self._begun:
            said = f"idle time limit: nothing came for {call.idle_timeout_s:g} s"
        else:
            said = f"first-byte time limit: no answer within {call.first_byte_timeout_s:g} s"
        return ProviderTimeout(f"{self._provider}: {said}", provider=self._provider, model=call.model)


class Alarm:
    """Calls `ring` once a clock's deadline has passed. One timer for a whole stream, set again when it
    fires too early: a timer for every read would cost as much as the read."""

    def __init__(self, clock: Clock, *, check_every_s: float, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._check_every_s = check_every_s
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._set()

    def cancel(self) -> None:
        self._timer.cancel()

    def _set(self) -> None:
        at = min(self._clock.deadline(), self._loop.time() + self._check_every_s)
        self._timer = self._loop.call_at(at, self._fired)

    def _fired(self) -> None:
        if self._clock.deadline() <= self._loop.time():
            self._ring()
        else:
            self._set()
