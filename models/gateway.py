"""The product: the life of a request, top to bottom.

    chat → candidates (the catalogue, or the router for `auto`) → context → reserve → attempt → settle → reply

Everything that does I/O is a port; nothing here knows of HTTP, Ray or a provider's wire.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from msgspec import Struct

from models.attempts import Attempt, first_content, who_is_next
from models.caller import Caller
from models.catalog import Auto, Catalog, Model
from models.chat import ChatRequest, ChatResponse, Chunk, Completed
from models.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    Overloaded,
    PaymentRequired,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
)
from models.ledger.estimates import Estimator
from models.open_calls import OpenCalls
from models.ports import Chunks, ContextEngine, Providers, Router
from models.providers.call import ProviderCall
from models.routing import Plan

log = logging.getLogger(__name__)


class Timeouts(Struct, frozen=True, kw_only=True):
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 120.0
    total_s: float = 600.0
    held_budget_s: float = 2.0
    """How long a request waits for money that calls under way hold."""


HANG_UP_S = 2.0
"""An adapter that has been told has that long to come to an end."""


class Reply:
    """An answer that has begun. Read `chunks` to their end, or `aclose` them to stop the provider."""

    def __init__(self, *, request_id: str, model: Model, attempt: Attempt, plan: Plan | None) -> None:
        self.request_id = request_id
        self.model = model
        self.attempts = attempt.number + 1
        self.plan = plan
        """The router's decision, where it was asked."""
        self.clamped_max_tokens = attempt.clamped_max_tokens
        """The longest answer that the budget affords, where that is less than what was asked for."""
        self.cost_pico: int | None = None
        """Known, and recorded, before the last chunk is handed out."""
        self.chunks: AsyncGenerator[list[Chunk], None]

    async def response(self) -> ChatResponse:
        """The whole of an answer that is not a stream."""
        async with aclosing(self.chunks) as chunks:
            async for batch in chunks:
                for chunk in batch:
                    if isinstance(chunk, Completed):
                        return chunk.response
        raise ProviderGarbled("the provider gave no answer", model=self.model.id)


class Gateway:
    """`available` holds the ids of the models that may be called now."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        available: frozenset[str],
        providers: Providers,
        router: Router,
        context: ContextEngine,
        calls: OpenCalls,
        timeouts: Timeouts,
    ) -> None:
        self.catalog = catalog
        self.available = available
        self._providers = providers
        self._router = router
        self._context = context
        self._calls = calls
        self._timeouts = timeouts
        self._estimator = Estimator()

    async def chat(self, request: ChatRequest, caller: Caller) -> Reply:
        """Returns when the first chunk is there. Raises whatever kept every candidate from answering."""
        candidates, plan = await self._candidates(request)
        if caller.conversation_id:
            request = await self._context.optimize_context(
                request, conversation_id=caller.conversation_id, model_id=candidates[0].id
            )
        return await self._first_answer(request, caller, candidates, plan)

    async def _candidates(self, request: ChatRequest) -> tuple[Sequence[Model], Plan | None]:
        named = self.catalog.resolve(request.model)
        if isinstance(named, Auto):
            plan = await self._router.plan(request, named.mode)
            if not plan.candidates:
                raise _nobody(plan)
            return [self.catalog.models[c.model_id] for c in plan.candidates], plan
        if named.id not in self.available:
            raise ProviderAuthFailed(
                f"there are no credentials for {named.host}", provider=named.host, sent=False
            )
        return [named], None

    async def _first_answer(
        self, request: ChatRequest, caller: Caller, candidates: Sequence[Model], plan: Plan | None
    ) -> Reply:
        """Try candidates in order, and once more the one whose replica died, until one answers."""
        queue, number = list(candidates), 0
        deadline = time.monotonic() + self._timeouts.total_s
        while True:
            model = queue.pop(0)
            attempt = Attempt(number, model, request, caller, catalog=self.catalog, estimator=self._estimator)
            try:
                # Held, durably, before anybody is called; the last in line may wait for what others hold.
                wait_s = 0.0 if queue else self._timeouts.held_budget_s
                attempt.granted(await self._calls.reserve(attempt, wait_s=wait_s))
            except PaymentRequired:
                if not queue:
                    raise
                continue  # a cheaper one may still be affordable
            chunks = self._call(attempt, left_s=deadline - time.monotonic())
            begun = False
            try:
                first = await first_content(chunks)
                begun = True
            except PolyvoxError as error:
                await chunks.aclose()
                settled = self._calls.keep(self._calls.settle(attempt.record("failed", error)))
                number += 1
                queue = who_is_next(queue, model, error, number)
                if not queue or time.monotonic() >= deadline:
                    raise
                await asyncio.shield(settled)  # the next one may need what this one held
                continue
            finally:
                if not (begun or attempt.recorded):
                    self._leave(attempt, chunks)
            reply = Reply(request_id=caller.request_id, model=model, attempt=attempt, plan=plan)
            reply.chunks = self._settling(reply, attempt, first, chunks)
            return reply

    def _call(self, attempt: Attempt, *, left_s: float) -> Chunks:
        model, request, limits = attempt.model, attempt.request, self._timeouts
        call = ProviderCall(
            request=request,
            host=model.host,
            model=model.wire_name,
            max_output_tokens=model.max_output,
            request_id=attempt.op_key,
            connect_timeout_s=limits.connect_s,
            # An answer that is not streamed has its first byte when it is done.
            first_byte_timeout_s=limits.first_byte_s if request.stream else left_s,
            idle_timeout_s=limits.idle_s,
            total_timeout_s=left_s,
        )
        attempt.called = True
        return self._providers.stream(call)

    async def _settling(
        self, reply: Reply, attempt: Attempt, first: list[Chunk], rest: Chunks
    ) -> AsyncGenerator[list[Chunk], None]:
        """Hand the chunks on; the usage is durable before the last of them leaves."""
        try:
            batch: list[Chunk] | None = first
            while batch is not None and attempt.usage is None:
                batch = attempt.observe(batch)
                if attempt.usage is not None:
                    record = attempt.record("completed")
                    # Shielded: a client that leaves now has an answer that was paid for.
                    await asyncio.shield(self._calls.keep(self._calls.settle(record)))
                    reply.cost_pico = record.cost_pico
                yield batch
                batch = await anext(rest, None)
            if attempt.usage is None:
                raise ProviderGarbled("the answer has no end", provider=attempt.model.host)
        except PolyvoxError as error:
            if not attempt.recorded:
                self._calls.keep(self._calls.settle(attempt.record("failed", error)))
            raise
        finally:
            if attempt.recorded:
                await rest.aclose()
            else:
                self._leave(attempt, rest)

    def _leave(self, attempt: Attempt, rest: Chunks) -> None:
        """Nobody reads it any more: hang up, unless that saves nothing, and see what it comes to."""
        if not attempt.bills_on:
            rest.hang_up()
        self._calls.keep(self._see_out(attempt, rest))

    async def _see_out(self, attempt: Attempt, rest: Chunks) -> None:
        try:
            async with asyncio.timeout(self._timeouts.total_s if attempt.bills_on else HANG_UP_S):
                async for batch in rest:
                    attempt.observe(batch)
        except (PolyvoxError, TimeoutError) as error:
            log.info("%s was left and then failed: %r", attempt.op_key, error)
        finally:
            await rest.aclose()
            await self._calls.settle(attempt.record("cancelled"))


def _nobody(plan: Plan) -> PolyvoxError:
    """Why the router found no model: the first reason among all that says what the caller can change."""
    reasons = {drop.reason for drop in plan.dropped}
    if reasons & {"input_too_long", "output_too_long"}:
        return ContextLengthExceeded(
            f"no available model takes some {plan.estimated_input_tokens} input tokens and this `max_tokens`",
            param="messages",
        )
    if "missing_capability" in reasons:
        return InvalidRequest(f"no available model has all of: {', '.join(plan.needs)}", param="model")
    return Overloaded("no model is available now")
