"""The product: the life of a request, top to bottom.

    chat → conversation → candidates (the catalogue, or the router for `auto`) → context → reserve → attempt
         → settle, and the turn kept → reply

Everything that does I/O is a port; nothing here knows of HTTP, Ray or a provider's wire.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from models.attempts import MAX_ATTEMPTS, Attempt, first_content, who_is_next
from models.caller import Caller
from models.catalog import Auto, Catalog, Mode, Model
from models.chat import ChatRequest, Chunk
from models.conversing import Standing, Switch, Switched
from models.dialogue import Dialogue
from models.errors import (
    Conflict,
    InvalidRequest,
    PaymentRequired,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
)
from models.ledger import UsageRecord
from models.ledger.estimates import Estimator
from models.limits import RateLimited
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.ports import Chunks, ContextEngine, Providers
from models.providers.call import ProviderCall
from models.reply import Reply as Reply
from models.response_cache import ResponseCache
from models.routing import Plan
from models.timeouts import Timeouts as Timeouts

log = logging.getLogger(__name__)


class _Asked(NamedTuple):
    request: ChatRequest
    caller: Caller
    plan: Plan | None
    """The router's, where it was asked."""
    dialogue: Dialogue | None = None
    fitted: Mapping[str, ChatRequest] = {}
    """What is sent to each model in place of the request, with the conversation before it."""


HANG_UP_S = 2.0
"""An adapter that has been told has that long to come to an end."""


class Gateway:
    """`available` holds the ids of the models that may be called now."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        available: frozenset[str],
        providers: Providers,
        router: ModelRouter,
        context: ContextEngine,
        calls: OpenCalls,
        timeouts: Timeouts,
        on_turn: Callable[[Caller, Standing], None] = lambda _caller, _standing: None,
        cache: ResponseCache | None = None,
    ) -> None:
        """`on_turn` hears of turns that were kept, and how the conversation stood before them."""
        self.catalog = catalog
        self.on_turn = on_turn
        self.cache = cache
        self.available = available
        self._providers = providers
        self.router = router
        self._context = context
        self._calls = calls
        self._timeouts = timeouts
        self._estimator = Estimator()

    async def chat(self, request: ChatRequest, caller: Caller) -> Reply:
        """Returns when the first chunk is there. Raises whatever kept every candidate from answering."""
        if caller.conversation_id:
            return await self._continue(request, caller)
        if self.cache is not None and caller.reads_cache and not request.tools:
            return await self.cache.answer(request, caller, self._answer)
        return await self._answer(request, caller)

    async def _answer(self, request: ChatRequest, caller: Caller) -> Reply:
        candidates, plan = await self._candidates(request, caller)
        return await self._first_answer(_Asked(request, caller, plan), candidates)

    async def _continue(self, request: ChatRequest, caller: Caller) -> Reply:
        dialogue = await Dialogue.begin(self._context, caller)
        request = replace(request, model=request.model or dialogue.standing.model_id or "auto")
        self.router.followed(dialogue.standing, request, caller)
        candidates, plan = await self._candidates(request, caller, dialogue.standing)
        locked_by = dialogue.standing.locked_by
        if not caller.may_take_over and locked_by not in (None, candidates[0].id):
            raise Conflict(f"{locked_by} waits for its tools: let it finish, or force it", param="modelId")
        fitted = await dialogue.fit(request, candidates[:MAX_ATTEMPTS])
        asked = _Asked(request, caller, plan, dialogue, fitted)
        return await self._first_answer(asked, [model for model in candidates if model.id in fitted])

    async def switch_model(self, caller: Caller, model: str, *, force: bool) -> Switched:
        """Whom the conversation goes on with. Raises as `ContextEngine.preserve_context` does."""
        named = self.catalog.resolve(model)
        if isinstance(named, Auto):
            raise InvalidRequest("a switch is to a model: `auto` is for a turn", param="newModelId")
        await self._check(named, caller)
        return await self._context.preserve_context(
            Switch(
                owner=caller.owner,
                conversation_id=caller.conversation_id,
                model_id=named.id,
                preserve_context=caller.preserve_context,
                force=force,
                key=caller.request_id,
            )
        )

    async def recommend(self, request: ChatRequest, mode: Mode, caller: Caller) -> Plan:
        """Who could answer, in the router's order. Raises NotFound for a conversation that is not there."""
        standing = None
        if caller.conversation_id:
            standing = await self._context.open_conversation(
                caller.owner, caller.conversation_id, create=False
            )
        return await self.router.get_recommendations(request, mode, caller, standing)

    async def _candidates(
        self, request: ChatRequest, caller: Caller, standing: Standing | None = None
    ) -> tuple[Sequence[Model], Plan | None]:
        named = self.catalog.resolve(request.model)
        if isinstance(named, Auto):
            plan = await self.router.route_request(request, named.mode, caller, standing)
            return [self.catalog.models[c.model_id] for c in plan.candidates], plan
        await self._check(named, caller)
        return [named], None

    async def _check(self, model: Model, caller: Caller) -> None:
        """Whether a model that is named may be asked."""
        await self.router.check_access(model, caller)
        if model.id not in self.available:
            raise ProviderAuthFailed(
                f"there are no credentials for {model.host}", provider=model.host, sent=False
            )

    async def _first_answer(self, asked: "_Asked", candidates: Sequence[Model]) -> Reply:
        """Try candidates in order, and once more the one whose replica died, until one answers."""
        caller, dialogue = asked.caller, asked.dialogue
        queue, number = list(candidates), 0
        deadline = time.monotonic() + self._timeouts.total_s
        while True:
            model = queue.pop(0)
            attempt = Attempt(
                number,
                model,
                asked.fitted.get(model.id, asked.request),
                caller,
                catalog=self.catalog,
                estimator=self._estimator,
                task=asked.plan.task if asked.plan is not None else None,
            )
            try:
                # Held, durably, before anybody is called; the last in line may wait for what others hold.
                wait_s = 0.0 if queue else self._timeouts.held_budget_s
                attempt.granted(await self._calls.reserve(attempt, wait_s=wait_s))
            except (PaymentRequired, RateLimited):
                if not queue:
                    raise
                continue  # a cheaper one may still be affordable, and another one's limits may have room
            chunks = self._call(attempt, left_s=deadline - time.monotonic())
            begun = False
            try:
                first = await first_content(chunks)
                begun = True
            except PolyvoxError as error:
                await chunks.aclose()
                settled = self._fail(attempt, error)
                number += 1
                queue = who_is_next(queue, model, error, number)
                if not queue or time.monotonic() >= deadline:
                    raise
                await asyncio.shield(settled)  # the next one may need what this one held
                continue
            finally:
                if not (begun or attempt.recorded):
                    self._leave(attempt, chunks, dialogue)
            reply = Reply(
                request_id=caller.request_id,
                model=model,
                attempts=attempt.number + 1,
                plan=asked.plan,
                clamped_max_tokens=attempt.clamped_max_tokens,
                context=None if dialogue is None else dialogue.reports.get(model.id),
                rates=self._calls.rates(attempt),
            )
            reply.chunks = self._settling(reply, attempt, first, chunks, dialogue)
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
        self,
        reply: Reply,
        attempt: Attempt,
        first: list[Chunk],
        rest: Chunks,
        dialogue: Dialogue | None,
    ) -> AsyncGenerator[list[Chunk], None]:
        """Hand the chunks on; the usage, and the turn, are durable before the last of them leaves."""
        try:
            batch: list[Chunk] | None = first
            while batch is not None and attempt.usage is None:
                batch = attempt.observe(batch)
                if dialogue is not None:
                    dialogue.heard(batch)
                if attempt.usage is not None:
                    record = attempt.record("completed")
                    # Shielded: a client that leaves now has an answer that was paid for.
                    await asyncio.shield(self._calls.keep(self._end(attempt, record, dialogue)))
                    reply.cost_pico = record.cost_pico
                yield batch
                batch = await anext(rest, None)
            if attempt.usage is None:
                raise ProviderGarbled("the answer has no end", provider=attempt.model.host)
        except PolyvoxError as error:
            if not attempt.recorded:
                self._fail(attempt, error)
            raise
        finally:
            if attempt.recorded:
                await rest.aclose()
            else:
                self._leave(attempt, rest, dialogue)

    def _fail(self, attempt: Attempt, error: PolyvoxError) -> asyncio.Task[None]:
        record = attempt.record("failed", error)
        self.router.attempted(record, error)
        return self._calls.keep(self._calls.settle(record))

    async def _end(self, attempt: Attempt, record: UsageRecord, dialogue: Dialogue | None) -> None:
        """Both or, if the conversation cannot be written to, what was paid at least."""
        self.router.attempted(record)
        if dialogue is None:
            await self._calls.settle(record)
            return
        api = self.catalog.hosts[attempt.model.host].protocol
        settled, kept = await asyncio.gather(
            self._calls.settle(record), dialogue.keep(record, api=api), return_exceptions=True
        )
        for failure in (settled, kept):
            if failure is not None:
                raise failure
        self.on_turn(dialogue.caller, dialogue.standing)

    def _leave(self, attempt: Attempt, rest: Chunks, dialogue: Dialogue | None) -> None:
        """Nobody reads it any more: hang up, unless that saves nothing, and see what it comes to."""
        if not attempt.bills_on:
            rest.hang_up()
        self._calls.keep(self._see_out(attempt, rest, dialogue))

    async def _see_out(self, attempt: Attempt, rest: Chunks, dialogue: Dialogue | None) -> None:
        failure: PolyvoxError | None = None
        try:
            async with asyncio.timeout(self._timeouts.total_s if attempt.bills_on else HANG_UP_S):
                async for batch in rest:
                    attempt.observe(batch)
                    if dialogue is not None:
                        dialogue.heard(batch)
        except (PolyvoxError, TimeoutError) as error:
            log.info("%s was left and then failed: %r", attempt.op_key, error)
            failure = error if isinstance(error, PolyvoxError) else None
        finally:
            await rest.aclose()
            record = attempt.record("cancelled", failure)
            if failure is None:
                self.router.abandoned(record)
            await self._end(attempt, record, dialogue)
