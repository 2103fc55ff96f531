"""The product: the life of a request, top to bottom.

    chat → candidates (the catalogue, or the router for `auto`) → context → attempts → record → reply

Everything that does I/O is a port; nothing here knows of HTTP, Ray or a provider's wire.
"""

import asyncio
import contextvars
import logging
import time
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from models.attempts import Attempt, Caller, Chunks, first_content, who_is_next
from models.catalog import Auto, Catalog, Model
from models.chat import ChatRequest, ChatResponse, Chunk, Completed
from models.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    Overloaded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
)
from models.ledger import UsageRecord
from models.ledger.usage import Status
from models.ports import ContextEngine, CostLedger, Providers, Router
from models.providers.call import ProviderCall
from models.routing import Plan

log = logging.getLogger(__name__)


class Timeouts(Struct, frozen=True, kw_only=True):
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 120.0
    total_s: float = 600.0


class Reply:
    """An answer that has begun. Read `chunks` to their end, or `aclose` them to stop the provider."""

    def __init__(self, *, request_id: str, model: Model, attempt: Attempt, plan: Plan | None) -> None:
        self.request_id = request_id
        self.model = model
        self.attempts = attempt.number + 1
        self.plan = plan
        """The router's decision, where it was asked."""
        self.cost_pico: int | None = None
        """Known, and recorded, before the last chunk is handed out."""
        self.chunks: Chunks

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
        ledger: CostLedger,
        timeouts: Timeouts,
    ) -> None:
        self.catalog = catalog
        self.available = available
        self._providers = providers
        self._router = router
        self._context = context
        self._ledger = ledger
        self._timeouts = timeouts
        self._afterwards: set[asyncio.Task[None]] = set()

    async def chat(self, request: ChatRequest, caller: Caller) -> Reply:
        """Returns when the first chunk is there. Raises whatever kept every candidate from answering."""
        candidates, plan = await self._candidates(request)
        if caller.conversation_id:
            request = await self._context.optimize_context(
                request, conversation_id=caller.conversation_id, model_id=candidates[0].id
            )
        return await self._first_answer(request, caller, candidates, plan)

    async def settle_all(self) -> None:
        """Wait for the records of answers that nobody reads any more."""
        while self._afterwards:
            await asyncio.wait(self._afterwards)

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
        self.catalog.price_at(named, datetime.now(UTC))  # what has no price is not sent
        return [named], None

    async def _first_answer(
        self, request: ChatRequest, caller: Caller, candidates: Sequence[Model], plan: Plan | None
    ) -> Reply:
        """Try candidates in order, and once more the one whose replica died, until one answers."""
        queue, number = list(candidates), 0
        deadline = time.monotonic() + self._timeouts.total_s
        while True:
            model = queue.pop(0)
            attempt = Attempt(number, model, request, caller)
            left = deadline - time.monotonic()
            chunks = self._providers.stream(self._call(request, model, caller, total_s=left))
            try:
                first = await first_content(chunks)
            except PolyvoxError as error:
                self._keep(self._record(attempt.record(self.catalog, "failed", error)))
                number += 1
                queue = who_is_next(queue, model, error, number)
                if not queue or time.monotonic() >= deadline:
                    raise
                continue
            except asyncio.CancelledError:
                self._keep(self._record(attempt.record(self.catalog, "cancelled")))
                raise
            reply = Reply(request_id=caller.request_id, model=model, attempt=attempt, plan=plan)
            reply.chunks = self._settling(reply, attempt, first, chunks)
            return reply

    async def _settling(self, reply: Reply, attempt: Attempt, first: list[Chunk], rest: Chunks) -> Chunks:
        """Hand the chunks on; the usage is durable before the last of them leaves."""
        error: PolyvoxError | None = None
        try:
            async with aclosing(rest):
                batch: list[Chunk] | None = first
                while batch is not None and attempt.usage is None:
                    batch = attempt.observe(batch)
                    if attempt.usage is not None:
                        record = attempt.record(self.catalog, "completed")
                        # Shielded: a client that leaves now has an answer that was paid for.
                        await asyncio.shield(self._keep(self._ledger.record(record)))
                        reply.cost_pico = record.cost_pico
                    yield batch
                    batch = await anext(rest, None)
                if attempt.usage is None:
                    raise ProviderGarbled("the answer has no end", provider=attempt.model.host)
        except PolyvoxError as raised:
            error = raised
            raise
        finally:
            if not attempt.recorded:
                status: Status = "failed" if error else "cancelled"
                self._keep(self._record(attempt.record(self.catalog, status, error)))

    def _call(self, request: ChatRequest, model: Model, caller: Caller, *, total_s: float) -> ProviderCall:
        return ProviderCall(
            request=request,
            host=model.host,
            model=model.wire_name,
            max_output_tokens=model.max_output,
            request_id=caller.request_id,
            connect_timeout_s=self._timeouts.connect_s,
            # An answer that is not streamed has its first byte when it is done.
            first_byte_timeout_s=self._timeouts.first_byte_s if request.stream else total_s,
            idle_timeout_s=self._timeouts.idle_s,
            total_timeout_s=total_s,
        )

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of its own, whatever becomes of the request; `settle_all` waits for it."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._afterwards.add(task)
        task.add_done_callback(self._afterwards.discard)
        return task

    async def _record(self, record: UsageRecord) -> None:
        try:
            await self._ledger.record(record)
        except PolyvoxError as error:
            log.error("usage of %s attempt %d is lost: %s", record.request_id, record.attempt, error)


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
