"""Routers without their deployment: the stated rule, and the one that learns."""

import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from models.catalog import Catalog, Mode, Model
from models.chat import ChatRequest, Message, Text
from models.errors import PolyvoxError
from models.routing.constraints import UNKNOWN_HOST, Constraints, HostFacts, bundled_hosts
from models.routing.expectation import Beliefs, Lengths, Performance
from models.routing.explore import MAX_SHARE, explore
from models.routing.learner import Learned
from models.routing.plan import Candidate, Dropped, Plan
from models.routing.policy import Circumstances, Incumbent, Question, decide
from models.routing.preferences import Taste, preferences
from models.routing.quality import QualityPriors
from models.routing.rule import plan
from models.routing.task import TaskPrediction, unknown_task
from models.routing.tokens import estimate_input_tokens
from models.routing.weights import WEIGHTS, Weights

log = logging.getLogger(__name__)

Classify = Callable[[Sequence[Message], str], Awaitable[TaskPrediction]]
"""Takes a conversation, as far as it says what is asked for now, and `Setting.key`."""
Correct = Callable[[ChatRequest], Mapping[str, float]]
"""What outcomes of prompts like this one add to models' qualities."""


class Setting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request comes with, besides itself: who asks, in which conversation, and what they insist on."""

    key: str = ""
    """Of a conversation, or else of the request: what is tried on one is tried on it throughout."""
    user_id: str = ""
    history_tokens: int = 0
    asked_before: str = ""
    """The beginning of the conversation's last question."""
    incumbent: Incumbent | None = None
    constraints: Constraints = Constraints()
    weights: Weights | None = None
    """In place of the mode's."""
    exploration: float = MAX_SHARE
    """0 for keys that are not to be experimented with."""


class RuleRouter:
    """Decides by the stated rule of `models.routing.rule`, with today's prices."""

    def __init__(self, catalog: Catalog, available: frozenset[str]) -> None:
        self.use(catalog, available)

    def use(self, catalog: Catalog, available: frozenset[str]) -> None:
        """From the next decision on."""
        self._catalog = catalog
        self._available = available

    async def plan(self, request: ChatRequest, mode: Mode, setting: Setting | None = None) -> Plan:
        setting = setting or Setting()
        ruled = plan(
            request,
            mode=mode,
            catalog=self._catalog,
            available=self._available,
            estimated_input_tokens=estimate_input_tokens(request),
            when=datetime.now(UTC),
        )
        incumbent = setting.incumbent
        if incumbent is not None and incumbent.locked and incumbent.model_id in self._available:
            ruled = _alone(ruled, self._catalog.models[incumbent.model_id])
        return self._within(ruled, setting.constraints)

    def _within(self, ruled: Plan, constraints: Constraints) -> Plan:
        """Without the models that the constraints rule out."""
        kept: list[Candidate] = []
        dropped = list(ruled.dropped)
        for one in ruled.candidates:
            reason = constraints.forbid(
                self._catalog.models[one.model_id], bundled_hosts().get(one.provider, UNKNOWN_HOST)
            )
            most = constraints.max_cost_pico
            if reason is None and most is not None and one.cost_pico > most:
                reason = "too_expensive"
            if reason is None:
                kept.append(one)
            else:
                dropped.append(Dropped(model_id=one.model_id, reason=reason))
        return replace(ruled, candidates=tuple(kept), dropped=tuple(dropped))


def _alone(ruled: Plan, model: Model) -> Plan:
    """Its tool calls are under way: nobody else can go on."""
    only = Candidate(
        model_id=model.id, provider=model.host, tier=model.tier, reason="its tool calls are under way"
    )
    others = [
        Dropped(model_id=one.model_id, reason="tools_under_way")
        for one in ruled.candidates
        if one.model_id != model.id
    ]
    return replace(ruled, candidates=(only,), dropped=(*ruled.dropped, *others), seat="locked")


async def _nobody_knows(_: Sequence[Message], __: str) -> TaskPrediction:
    return unknown_task()


class LearnedRouter:
    """Decides by the policy, with what is believed and measured at the moment. Always decides: a classifier
    that fails leaves the task unknown."""

    def __init__(
        self,
        catalog: Catalog,
        available: frozenset[str],
        *,
        classify: Classify = _nobody_knows,
        performance: Callable[[], Mapping[str, Performance]] = dict,
        tastes: Callable[[str], Sequence[Taste]] = lambda _user_id: (),
        hosts: Mapping[str, HostFacts] | None = None,
        correct: Correct = lambda _request: {},
        lengths: Lengths | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._classify = classify
        self._performance = performance
        self._tastes = tastes
        self._hosts = bundled_hosts() if hosts is None else hosts
        self._correct = correct
        self._lengths = lengths
        self._priors = QualityPriors.load()
        self._beliefs = Beliefs(self._priors, lengths=lengths)
        self._rng = rng or random.Random()  # noqa: S311  # who is tried is no secret
        self.cost_pressure = 1.0
        self._run, self._numbers = uuid4().hex[:20], itertools.count()
        self.use(catalog, available)

    def use(self, catalog: Catalog, available: frozenset[str]) -> None:
        """From the next decision on."""
        self._catalog = catalog
        self._available = available
        self._beliefs = self._beliefs.anew()

    def learn(self, learned: Learned, *, lengths: Lengths | None = None) -> None:
        """What is believed from the next decision on."""
        self._lengths = lengths or self._lengths
        self._beliefs = Beliefs(self._priors, learned, lengths=self._lengths)

    @property
    def beliefs(self) -> Beliefs:
        return self._beliefs

    async def plan(self, request: ChatRequest, mode: Mode, setting: Setting | None = None) -> Plan:
        setting = setting or Setting()
        before = (Message("user", (Text(setting.asked_before),)),) if setting.asked_before else ()
        try:
            task = await self._classify((*before, *request.messages), setting.key)
        except PolyvoxError as error:
            log.warning("a request was not classified: %s", error)
            task = unknown_task()
        return self.decide(request, mode, setting, task)

    def decide(self, request: ChatRequest, mode: Mode, setting: Setting, task: TaskPrediction) -> Plan:
        """What `plan` does once the task is known: a fraction of a millisecond, without I/O."""
        question = Question(
            request=request,
            mode=mode,
            weights=setting.weights or WEIGHTS[mode],
            task=task,
            input_tokens=estimate_input_tokens(request),
            history_tokens=setting.history_tokens,
            constraints=setting.constraints,
            preferences=self._preferences(setting, task),
            corrections=self._correct(request),
            incumbent=setting.incumbent,
        )
        at = Circumstances(
            catalog=self._catalog,
            available=self._available,
            beliefs=self._beliefs,
            performance=self._performance(),
            hosts=self._hosts,
            cost_pressure=self.cost_pressure,
        )
        decided = decide(question, at, day=datetime.now(UTC).date())
        explored = explore(decided, self._rng, share=setting.exploration)
        decision_id = f"dec_{self._run}{next(self._numbers):012x}"
        return replace(explored, decision_id=decision_id, artefact=task.artefact)

    def _preferences(self, setting: Setting, task: TaskPrediction) -> Mapping[str, float]:
        if not setting.user_id:
            return {}
        return preferences(self._tastes(setting.user_id), task, now=time.time())
