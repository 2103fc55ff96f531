"""One call of a provider, seen to its end whatever becomes of its client: begun, handed on, paid for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple

from msgspec.structs import replace

from models.attempts import Attempt, first_content
from models.breaker import Passage
from models.caller import Caller
from models.chat import Chunk, Finished
from models.continuation import Seam, takes_beginnings, told_of, whole
from models.conversing import Standing
from models.dialogue import Dialogue
from models.errors import PolyvoxError, ProviderGarbled
from models.ledger import UsageRecord
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.ports import Chunks, Providers
from models.providers.call import ProviderCall
from models.reply import Reply
from models.timeouts import Timeouts

log = logging.getLogger(__name__)

HANG_UP_S = 2.0
"""An adapter that has been told has that long to come to an end."""


class Means(NamedTuple):
    """What calls are made with."""

    providers: Providers
    calls: OpenCalls
    router: ModelRouter
    timeouts: Timeouts
    on_turn: Callable[[Caller, Standing], None]


class Leg(NamedTuple):
    """An answer that broke off, for a call to go on with."""

    said: str
    before: tuple[UsageRecord, ...]
    """The calls that said it."""


class Call:
    """Of a conversation it keeps the turn in `dialogue`. Belongs to one event loop."""

    def __init__(
        self, attempt: Attempt, means: Means, *, dialogue: Dialogue | None = None, leg: Leg | None = None
    ) -> None:
        self.attempt = attempt
        self.model = attempt.model
        self._means = means
        self._dialogue = dialogue
        self._before = () if leg is None else leg.before
        may_repeat = not takes_beginnings(self.model)
        self._seam = None if leg is None else Seam(leg.said, may_repeat=may_repeat)
        self._first: list[Chunk] = []
        self._chunks: Chunks | None = None
        self._passage: Passage | None = None
        self._settling: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.attempt.ended is not None

    @property
    def legs(self) -> tuple[UsageRecord, ...]:
        """What the ledger keeps of all calls that gave the answer, as far as they are over."""
        return self._before if self.attempt.ended is None else (*self._before, self.attempt.ended)

    async def hold(self, *, wait_s: float) -> None:
        """Money and room for it, durably. `wait_s` is how long others may take to let go of some. Raises
        PaymentRequired, RateLimited, Overloaded."""
        self.attempt.granted(await self._means.calls.reserve(self.attempt, wait_s=wait_s))

    def send(self, *, left_s: float) -> None:
        """Only what is held. Its provider has `left_s` for all of it."""
        model, request, limits = self.model, self.attempt.request, self._means.timeouts
        call = ProviderCall(
            request=request,
            host=model.host,
            model=model.wire_name,
            max_output_tokens=model.max_output,
            request_id=self.attempt.op_key,
            connect_timeout_s=limits.connect_s,
            # An answer that is not streamed has its first byte when it is done.
            first_byte_timeout_s=limits.first_byte_s if request.stream else left_s,
            idle_timeout_s=limits.idle_s,
            total_timeout_s=left_s,
        )
        self.attempt.called = True
        self._passage = self._means.router.conditions.enter(model, stream=request.stream)
        self._chunks = self._means.providers.stream(call)

    async def begin(self) -> None:
        """Returns with the first content. Raises what kept it from coming; then it is over."""
        assert self._chunks is not None
        try:
            await first_content(self._chunks, self._first)
        except PolyvoxError as error:
            await self._chunks.aclose()
            self._observe(self._take_first())
            self._fail(error)
            raise
        if self._passage is not None:
            self._passage.begins()

    async def chunks(self, reply: Reply) -> AsyncGenerator[list[Chunk], None]:
        """The answer; the usage, and the turn, are durable before the last of it is handed on."""
        attempt, rest = self.attempt, self._chunks
        assert rest is not None
        try:
            batch: list[Chunk] | None = self._take_first()
            while batch is not None and attempt.usage is None:
                batch = self._observe(batch)
                if attempt.usage is not None:
                    record = attempt.record("completed")
                    # Shielded: a client that leaves now has an answer that was paid for.
                    await asyncio.shield(self._means.calls.keep(self._end(record)))
                    batch = self._ending(batch, record, reply)
                if batch:
                    yield batch
                batch = await anext(rest, None)
            if attempt.usage is None:
                raise ProviderGarbled("the answer has no end", provider=self.model.host)
        except PolyvoxError as error:
            if not self.is_over:
                self._fail(error)
            raise
        finally:
            if self.is_over:
                await rest.aclose()
            else:
                self.leave()

    async def settled(self) -> None:
        """Of one that failed: returns when what it cost is durable."""
        if self._settling is not None:
            await asyncio.shield(self._settling)

    def leave(self, *, keeps_turn: bool = True) -> None:
        """Nobody reads it any more: hang up, unless that saves nothing, and see what it comes to."""
        if self._chunks is None or self.is_over:
            return
        if not self.attempt.bills_on:
            self._chunks.hang_up()
        if not keeps_turn:
            self._dialogue = None
        self._means.calls.keep(self._see_out(self._chunks))

    def _take_first(self) -> list[Chunk]:
        first, self._first = self._first, []
        return first

    def _observe(self, batch: list[Chunk]) -> list[Chunk]:
        batch = self.attempt.observe(batch)
        if self._seam is not None:
            batch = self._seam.join(batch)
        if self._dialogue is not None:
            self._dialogue.heard(batch)
        return batch

    def _fail(self, error: PolyvoxError) -> None:
        record = self.attempt.record("failed", error)
        self._means.router.attempted(record, error)
        self._passes(error)
        self._settling = self._means.calls.keep(self._means.calls.settle(record))

    async def _end(self, record: UsageRecord) -> None:
        """Both or, if the conversation cannot be written to, what was paid at least."""
        means, dialogue = self._means, self._dialogue
        means.router.attempted(record)
        if record.status == "completed":
            self._passes()
        if dialogue is None:
            await means.calls.settle(record)
            return
        kept = dialogue.keep(self._in_all(record), api=self.model.protocol)
        outcomes = await asyncio.gather(means.calls.settle(record), kept, return_exceptions=True)
        for failure in outcomes:
            if failure is not None:
                raise failure
        means.on_turn(dialogue.caller, dialogue.standing)

    def _ending(self, batch: list[Chunk], record: UsageRecord, reply: Reply) -> list[Chunk]:
        """Of an answer in several parts the end says what all of it took."""
        reply.cost_pico = self._in_all(record).cost_pico
        if not self._before or not isinstance(last := batch[-1], Finished):
            return batch
        return [*batch[:-1], *told_of(self.legs), whole(last, self._before)]

    def _in_all(self, record: UsageRecord) -> UsageRecord:
        for leg in self._before:
            record = replace(
                record,
                cost_pico=record.cost_pico + leg.cost_pico,
                output_tokens=record.output_tokens + leg.output_tokens,
                reasoning_tokens=record.reasoning_tokens + leg.reasoning_tokens,
            )
        return record

    async def _see_out(self, rest: Chunks) -> None:
        failure: PolyvoxError | None = None
        self._observe(self._take_first())
        try:
            async with asyncio.timeout(self._means.timeouts.total_s if self.attempt.bills_on else HANG_UP_S):
                async for batch in rest:
                    self._observe(batch)
        except (PolyvoxError, TimeoutError) as error:
            log.info("%s was left and then failed: %r", self.attempt.op_key, error)
            failure = error if isinstance(error, PolyvoxError) else None
        finally:
            await rest.aclose()
            record = self.attempt.record("cancelled", failure)
            if self._passage is not None:
                self._passage.leaves()
            if failure is None:
                self._means.router.abandoned(record)
            await self._end(record)

    def _passes(self, error: PolyvoxError | None = None) -> None:
        if self._passage is not None:
            self._means.router.conditions.ended(self.model, self._passage, error)
