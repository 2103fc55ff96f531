"""Asking one model after another for a request, until one begins to answer."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from models.allowance import Allowance
from models.attempts import Attempt
from models.call import Call, Leg, Means
from models.caller import Caller
from models.catalog import Catalog, Model
from models.chat import ChatRequest
from models.continuation import continued, is_plain
from models.dialogue import Dialogue
from models.errors import PaymentRequired, PolyvoxError
from models.hedging import alone, first_to_begin
from models.ledger.estimates import Estimator
from models.limits import RateLimited
from models.lineup import Lineup, Pause
from models.routing import Plan


class Asked(NamedTuple):
    request: ChatRequest
    caller: Caller
    wanted: str
    """Who is to answer, if nothing goes wrong: a model's id."""
    plan: Plan | None
    """The router's, where it was asked."""
    dialogue: Dialogue | None = None
    fitted: Mapping[str, ChatRequest] = {}
    """What is sent to each model in place of the request, with the conversation before it."""


class Asking:
    """Of one request."""

    def __init__(
        self,
        asked: Asked,
        lineup: Lineup,
        means: Means,
        *,
        catalog: Catalog,
        estimator: Estimator,
        hedges: Allowance,
    ) -> None:
        """`hedges` is what second calls are paid from."""
        self._asked = asked
        self._lineup = lineup
        self._means = means
        self._catalog = catalog
        self._estimator = estimator
        self._hedges = hedges

    @property
    def attempts(self) -> int:
        return self._lineup.attempts

    @property
    def may_go_on(self) -> bool:
        """Whether an answer that breaks off is gone on with."""
        request = self._asked.request
        return self._asked.caller.resilience.continues and request.stream and is_plain(request)

    async def first_answer(self, leg: Leg | None = None) -> Call:
        """The call that has begun; of `leg`, to give the rest. Raises what kept the last one from it."""
        while True:
            model = await self._next()
            call = self._call(model, leg)
            is_last = self._lineup.is_last
            try:
                # Held, durably, before anybody is called; the last in line may wait for what others hold.
                await call.hold(wait_s=self._means.timeouts.held_budget_s if is_last else 0.0)
            except (PaymentRequired, RateLimited):
                if not self._lineup.not_asked(model):
                    raise
                continue  # a cheaper one may still be affordable, and another one's limits may have room
            call.send(left_s=self._lineup.left_s)
            begun = await self._begun(call, leg)
            if begun is not None:
                return begun

    async def go_on(self, call: Call, said: str, error: PolyvoxError) -> Call:
        """Who goes on with an answer that broke off. Raises `error` if nobody may."""
        if not self._lineup.failed(call.model, error, has_begun=True):
            raise error
        await call.settled()
        return await self.first_answer(Leg(said, call.legs))

    async def _next(self) -> Model:
        turn = self._lineup.next()
        while isinstance(turn, Pause):
            await asyncio.sleep(turn.seconds)
            turn = self._lineup.next()
        return turn

    async def _begun(self, call: Call, leg: Leg | None) -> Call | None:
        """It, or one that was made besides and was quicker; None if somebody else is to be asked."""
        goes_on = False

        def failed(one: Call, error: PolyvoxError) -> None:
            nonlocal goes_on
            goes_on = self._lineup.failed(one.model, error)

        try:
            after_s = self._late_after_s(call.model)
            if after_s is None:
                return await alone(call, failed=failed)
            another = partial(self._another, call, leg)
            return await first_to_begin(call, after_s=after_s, second=another, failed=failed)
        except PolyvoxError:
            if not goes_on:
                raise
        await call.settled()  # the next one may need what this one held
        return None

    async def _another(self, late: Call, leg: Leg | None) -> Call | None:
        """A second call while the first is late, if there is money, room and somebody for it."""
        model = self._lineup.besides(late.model) if self._hedges.take() else None
        if model is None:
            return None
        call = self._call(model, leg)
        try:
            await call.hold(wait_s=0.0)
        except PolyvoxError:
            self._lineup.not_asked(model)
            return None
        call.send(left_s=self._lineup.left_s)
        return call

    def _call(self, model: Model, leg: Leg | None) -> Call:
        asked = self._asked
        request = asked.fitted.get(model.id, asked.request)
        attempt = Attempt(
            self.attempts - 1,
            model,
            request if leg is None else continued(request, leg.said, model),
            asked.caller,
            catalog=self._catalog,
            estimator=self._estimator,
            task=asked.plan.task if asked.plan is not None else None,
        )
        return Call(attempt, self._means, dialogue=asked.dialogue, leg=leg)

    def _late_after_s(self, model: Model) -> float | None:
        """When a second call is made; None where the request has not asked for one, or nobody knows."""
        wish = self._asked.caller.resilience
        if not wish.hedges:
            return None
        if wish.hedge_after_s is not None:
            return wish.hedge_after_s
        return self._means.router.conditions.hedge_after_s(model) if self._asked.request.stream else None
