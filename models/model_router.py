"""`ModelRouter`: which model is to answer, for whom, in which conversation and under whose policy.

The router proper is a port. If it cannot be reached the stated rule decides, within the same policy. What was
decided, and what users do after answers, is noted aside; how attempts went is counted.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from models.caller import Caller
from models.catalog import Mode, Model
from models.chat import ChatRequest
from models.conditions import Conditions, ModelCondition
from models.conversing import Standing
from models.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    Overloaded,
    PaymentRequired,
    PermissionDenied,
    PolyvoxError,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
)
from models.identity import Principal
from models.ledger import UsageRecord
from models.ports import Router
from models.routing import Plan
from models.routing.constraints import UNKNOWN_HOST, HostFacts, bundled_hosts
from models.routing.decisions import Decision
from models.routing.feedback import Implied
from models.routing.performance import Ending, LivePerformance, Sample
from models.routing.policies import NoPolicies, Policies, RoutingPolicy
from models.routing.policy import Incumbent
from models.routing.router import RuleRouter, Setting
from models.routing.signals import NextTurn, Signal, implied
from models.routing.turns import said

log = logging.getLogger(__name__)

CACHED_FOR_S = 300.0
"""How long providers keep a prompt that they have seen."""


def _untold(_: object) -> None:
    pass


class ModelRouter:
    def __init__(
        self,
        router: Router,
        *,
        rule: RuleRouter | None = None,
        policies: Policies | None = None,
        performance: LivePerformance | None = None,
        conditions: Conditions | None = None,
        decided: Callable[[Decision], None] = _untold,
        taken: Callable[[Implied], None] = _untold,
        hosts: Mapping[str, HostFacts] | None = None,
    ) -> None:
        """`rule` decides where `router` cannot be reached. `decided` and `taken` hear of decisions and of how
        answers were taken; neither may raise or wait."""
        self._router = router
        self._rule = rule
        self._policies = policies or NoPolicies()
        self.conditions = conditions or Conditions(performance)
        self._decided = decided
        self._taken = taken
        self._hosts = bundled_hosts() if hosts is None else hosts

    async def route_request(
        self, request: ChatRequest, mode: Mode, caller: Caller, standing: Standing | None = None
    ) -> Plan:
        """Raises what says best why no model can answer."""
        setting = await self._setting(caller, standing)
        plan = await self._plan(request, mode, setting)
        if not plan.candidates:
            raise _nobody(plan)
        who = caller.principal
        self._decided(
            Decision(
                tenant_id=who.tenant_id,
                request_id=caller.request_id,
                user_id=who.user_id,
                key_id=who.key_id,
                conversation_id=caller.conversation_id or None,
                plan=plan,
                created_at=datetime.now(UTC),
            )
        )
        return plan

    async def get_recommendations(
        self, request: ChatRequest, mode: Mode, caller: Caller, standing: Standing | None = None
    ) -> Plan:
        """What would be decided, without any experiment; noted nowhere."""
        setting = await self._setting(caller, standing, explores=False)
        return await self._plan(request, mode, setting)

    async def check_access(self, model: Model, caller: Caller) -> None:
        """Raises PermissionDenied where a policy forbids a model that is asked for by name."""
        constraints = (await self._policy(caller)).constraints
        reason = constraints.forbid(model, self._hosts.get(model.host, UNKNOWN_HOST))
        if reason is not None:
            raise PermissionDenied(f"{model.id} is ruled out by a policy: {reason}", param="model")

    def check_model_availability(self, model_id: str) -> ModelCondition:
        return self.conditions.status(model_id)

    def attempted(self, record: UsageRecord, error: PolyvoxError | None = None) -> None:
        """How an attempt at a provider went."""
        ending = _ending(record, error)
        if ending is None:
            return
        self.conditions.performance.record(
            Sample(
                model_id=record.model_id,
                ending=ending,
                response_ms=record.response_time_ms,
                first_token_ms=record.first_token_ms if record.stream else None,
                output_tokens=record.output_tokens,
                retry_after_s=(error.retry_after_s or 0.0) if ending == "busy" and error is not None else 0.0,
            )
        )

    def followed(self, standing: Standing, request: ChatRequest, caller: Caller) -> None:
        """A conversation goes on: that says how its last answer was taken."""
        last = standing.last
        if last is None or not request.messages or request.messages[-1].role != "user":
            return
        signal = implied(
            question=last.question,
            model_id=last.model_id,
            cut_off=False,
            next_turn=NextTurn(
                after_s=(datetime.now(UTC) - last.at).total_seconds(),
                question=said(request.messages[-1])[: len(last.question) + 100],
                model_named="" if request.model.startswith("auto") else request.model,
            ),
        )
        if signal is not None:
            self._note(caller.principal.tenant_id, caller.principal.user_id, last.request_id, signal)

    def abandoned(self, record: UsageRecord) -> None:
        """The client left while it was answered."""
        if record.first_token_ms is not None and record.user_id is not None:
            self._note(record.tenant_id, record.user_id, record.request_id, "abandoned")

    def regenerated(self, who: Principal, message_id: str) -> None:
        """The answer that has become this message is left behind for another."""
        self._taken(
            Implied(tenant_id=who.tenant_id, user_id=who.user_id, message_id=message_id, signal="regenerated")
        )

    def _note(self, tenant_id: str, user_id: str, request_id: str, signal: Signal) -> None:
        self._taken(Implied(tenant_id=tenant_id, user_id=user_id, request_id=request_id, signal=signal))

    async def _plan(self, request: ChatRequest, mode: Mode, setting: Setting) -> Plan:
        try:
            return await self._router.plan(request, mode, setting)
        except PolyvoxError as error:
            if self._rule is None or isinstance(error, InvalidRequest):
                raise
            log.warning("the router cannot be asked, the rule decides: %s", error)
            return await self._rule.plan(request, mode, setting)

    async def _policy(self, caller: Caller) -> RoutingPolicy:
        who = caller.principal
        return caller.routing.within(await self._policies.of(who.tenant_id, who.key_id))

    async def _setting(self, caller: Caller, standing: Standing | None, *, explores: bool = True) -> Setting:
        policy = await self._policy(caller)
        return Setting(
            key=caller.conversation_id or caller.request_id,
            user_id=caller.principal.user_id,
            history_tokens=0 if standing is None else standing.tokens,
            asked_before="" if standing is None or standing.last is None else standing.last.question,
            incumbent=None if standing is None else _incumbent(standing),
            constraints=policy.constraints,
            weights=policy.weights,
            exploration=policy.exploration if explores else 0.0,
        )


def _incumbent(standing: Standing) -> Incumbent | None:
    model_id = standing.locked_by or standing.model_id
    if model_id is None:
        return None
    last = standing.last
    is_warm = (
        last is not None
        and last.model_id == model_id
        and (datetime.now(UTC) - last.at).total_seconds() < CACHED_FOR_S
    )
    return Incumbent(
        model_id=model_id,
        cached_tokens=standing.tokens if is_warm else 0,
        locked=standing.locked_by is not None,
    )


def _ending(record: UsageRecord, error: PolyvoxError | None) -> Ending | None:
    """None where it says nothing of the model: the request was wrong, or its client left at once."""
    if isinstance(error, ProviderRateLimited | ProviderOverloaded):
        return "busy"
    if isinstance(error, ProviderError):
        return None if isinstance(error, ProviderRefused) else "failed"
    if error is not None or (record.status != "completed" and record.first_token_ms is None):
        return None
    return "ok"


def _nobody(plan: Plan) -> PolyvoxError:
    """The first reason among all that says what the caller can change."""
    reasons = {drop.reason for drop in plan.dropped}
    if reasons & {"input_too_long", "output_too_long"}:
        return ContextLengthExceeded(
            f"no available model takes some {plan.estimated_input_tokens} input tokens and this `max_tokens`",
            param="messages",
        )
    if "missing_capability" in reasons:
        return InvalidRequest(f"no available model has all of: {', '.join(plan.needs)}", param="model")
    if "too_expensive" in reasons:
        return PaymentRequired("every model that could answer costs more than the policy allows for a call")
    if forbidden := reasons & {"not_allowed", "region", "data_policy"}:
        named = ", ".join(sorted(forbidden))
        return PermissionDenied(f"a policy rules out every model that could answer: {named}", param="model")
    return Overloaded("no model is available now")
