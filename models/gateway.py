"""The product: the life of a request, top to bottom.

    chat → conversation → candidates (the catalogue, or the router for `auto`) → context → lineup
         → asking: money held, a call made, begun → reply: handed on, settled, and the turn kept

Everything that does I/O is a port; nothing here knows of HTTP, Ray or a provider's wire.
"""

import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from models.asking import Asked, Asking
from models.call import Means
from models.caller import Caller
from models.catalog import Auto, Catalog, Mode, Model
from models.chat import ChatRequest
from models.conversing import Standing, Switch, Switched
from models.dialogue import Dialogue
from models.errors import Conflict, InvalidRequest, ProviderAuthFailed
from models.fallbacks import fallbacks
from models.hedging import hedge_allowance
from models.ledger.estimates import Estimator
from models.lineup import PATIENCE_S, Lineup, foremost, retry_allowance
from models.model_router import ModelRouter
from models.open_calls import OpenCalls
from models.ports import ContextEngine, Providers
from models.relay import relayed
from models.reply import Reply as Reply
from models.response_cache import ResponseCache
from models.routing import Plan
from models.timeouts import Timeouts as Timeouts

MAX_FITTED = 4
"""Candidates that a conversation is fitted to: a breaker may open meanwhile."""


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
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`on_turn` hears of turns that were kept and how the conversation stood before them. `patience_s` is
        how long a request waits for somebody who may be asked."""
        self.catalog = catalog
        self.on_turn = on_turn
        self.cache = cache
        self.available = available
        self.patience_s = patience_s
        self._providers = providers
        self.router = router
        self._context = context
        self._calls = calls
        self.timeouts = timeouts
        self._estimator = Estimator()
        self._retries = retry_allowance()
        self._hedges = hedge_allowance()

    async def chat(self, request: ChatRequest, caller: Caller) -> Reply:
        """Returns when the first chunk is there. Raises whatever kept every candidate from answering."""
        if caller.conversation_id:
            return await self._continue(request, caller)
        # What another model answered in place of the one that is named is nobody else's.
        is_own = not caller.resilience.fallback
        if self.cache is not None and caller.reads_cache and not request.tools and is_own:
            return await self.cache.answer(request, caller, self._answer, similar=caller.takes_similar)
        return await self._answer(request, caller)

    async def _answer(self, request: ChatRequest, caller: Caller) -> Reply:
        wanted, candidates, plan = await self._candidates(request, caller)
        return await self._reply(Asked(request, caller, wanted.id, plan), candidates)

    async def _continue(self, request: ChatRequest, caller: Caller) -> Reply:
        dialogue = await Dialogue.begin(self._context, caller)
        request = replace(request, model=request.model or dialogue.standing.model_id or "auto")
        self.router.followed(dialogue.standing, request, caller)
        wanted, candidates, plan = await self._candidates(request, caller, dialogue.standing)
        locked_by = dialogue.standing.locked_by
        if not caller.may_take_over and locked_by not in (None, wanted.id):
            raise Conflict(f"{locked_by} waits for its tools: let it finish, or force it", param="modelId")
        fitted = await dialogue.fit(request, foremost(candidates, self.router.conditions, MAX_FITTED))
        asked = Asked(request, caller, wanted.id, plan, dialogue, fitted)
        return await self._reply(asked, [model for model in candidates if model.id in fitted])

    async def switch_model(self, caller: Caller, model: str, *, force: bool) -> Switched:
        """Whom the conversation goes on with. Raises as `ContextEngine.preserve_context` does."""
        named = self.catalog.resolve(model)
        if isinstance(named, Auto):
            raise InvalidRequest("a switch is to a model: `auto` is for a turn", param="newModelId")
        await self.router.check_access(named, caller)
        self._check_available(named)
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
    ) -> tuple[Model, Sequence[Model], Plan | None]:
        """Who is to answer, and everybody who may, the best first."""
        named = self.catalog.resolve(request.model)
        if isinstance(named, Auto):
            plan = await self.router.route_request(request, named.mode, caller, standing)
            models = [self.catalog.models[c.model_id] for c in plan.candidates]
            return models[0], models, plan
        await self.router.check_access(named, caller)
        others: Sequence[Model] = ()
        if caller.resilience.fallback and (standing is None or standing.locked_by is None):
            others = await fallbacks(
                named,
                request,
                caller,
                standing,
                catalog=self.catalog,
                available=self.available,
                router=self.router,
            )
        if not others:
            self._check_available(named)
        return named, [named, *others] if named.id in self.available else others, None

    def _check_available(self, model: Model) -> None:
        if model.id not in self.available:
            raise ProviderAuthFailed(
                f"there are no credentials for {model.host}", provider=model.host, sent=False
            )

    async def _reply(self, asked: Asked, candidates: Sequence[Model]) -> Reply:
        self._retries.earn()
        self._hedges.earn()
        asking = Asking(
            asked,
            Lineup(
                candidates,
                self.router.conditions,
                self._retries,
                until=time.monotonic() + self.timeouts.total_s,
                stream=asked.request.stream,
                patience_s=self.patience_s,
            ),
            Means(self._providers, self._calls, self.router, self.timeouts, self.on_turn),
            catalog=self.catalog,
            estimator=self._estimator,
            hedges=self._hedges,
        )
        call = await asking.first_answer()
        dialogue = asked.dialogue
        reply = Reply(
            request_id=asked.caller.request_id,
            model=call.model,
            attempts=asking.attempts,
            plan=asked.plan,
            clamped_max_tokens=call.attempt.clamped_max_tokens,
            context=None if dialogue is None else dialogue.reports.get(call.model.id),
            rates=self._calls.rates(call.attempt),
            fallback_from=None if call.model.id == asked.wanted else asked.wanted,
        )
        reply.chunks = relayed(reply, call, asking.go_on) if asking.may_go_on else call.chunks(reply)
        return reply
