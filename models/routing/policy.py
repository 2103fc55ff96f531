"""The policy: who is to answer, in which order, and why the others are not.

Hard constraints first, then utility: quality, as believed for this task and this user, less what cost and
time are worth. Inside a conversation its model stays unless another gains more than a margin; what leaving
loses of the prompt cache is in the costs, in real money. Pure: reads nothing but its arguments.
"""

import math
from collections.abc import Container, Mapping
from datetime import date

from msgspec import Struct

from models.catalog import Catalog, Mode, Model, Rates
from models.chat import ChatRequest
from models.errors import UnknownPrice
from models.money import PICO_PER_USD, usd_text
from models.routing.constraints import UNKNOWN_HOST, Constraints, HostFacts
from models.routing.expectation import Beliefs, Performance, call_pico
from models.routing.needs import ASSUMED_OUTPUT_TOKENS, needs
from models.routing.plan import Candidate, Dropped, Plan, Seat
from models.routing.rule import misfit
from models.routing.task import TaskPrediction
from models.routing.weights import QUALITY_PER_SECOND, QUALITY_PER_USD, Weights

MARGIN = 0.03
"""Of utility, that another model has to gain for a conversation to leave the one it is with."""
MARGIN_UNSURE = 0.15
"""The same where nobody knows what the request is about."""
SQUEEZED = 0.1
"""What it costs in quality if all of a conversation had to be compressed away."""
FITTED_SHARE = 0.7
"""Of its window, that a conversation is compressed to."""
USUAL_COST_PICO = 8_000_000_000
"""Of a request of usual size at usual rates."""
USUAL_RATES = (3_000_000, 15_000_000)
"""Pico-USD of a token in and out. What is worth paying grows with the 3/4 power of the cost at these."""
OUTAGE_PENALTY = 0.3
"""Utility that a call which fails loses, besides the answer: time, and another attempt."""


class Incumbent(Struct, frozen=True, kw_only=True):
    """The model that a conversation has been with."""

    model_id: str
    cached_tokens: int = 0
    """Of the next request's input, that its provider's cache probably holds."""
    locked: bool = False
    """Its tool calls are under way, or its provider holds a state: nobody else can go on."""


class Question(Struct, frozen=True, kw_only=True):
    request: ChatRequest
    mode: Mode
    weights: Weights
    task: TaskPrediction
    input_tokens: int
    """Of the request itself."""
    history_tokens: int = 0
    """Of the conversation, which goes before it."""
    constraints: Constraints = Constraints()
    preferences: Mapping[str, float] = {}
    """Quality that the user's own taste adds to models, for this task."""
    corrections: Mapping[str, float] = {}
    """Quality that outcomes of prompts like this one add."""
    incumbent: Incumbent | None = None


class Circumstances(Struct, frozen=True, kw_only=True):
    """What holds for everybody's requests just now."""

    catalog: Catalog
    available: Container[str]
    beliefs: Beliefs
    performance: Mapping[str, Performance]
    hosts: Mapping[str, HostFacts]
    cost_pressure: float = 1.0
    """By how much money is dearer than usual: the budget pacer's word."""


def decide(question: Question, at: Circumstances, *, day: date) -> Plan:
    """Every model that the catalogue leaves to the router, or that the constraints name, is a candidate or
    dropped with its reason."""
    needed = needs(question.request) | question.constraints.capabilities
    offers: list[_Offer] = []
    dropped: list[Dropped] = []
    reckoning = _Reckoning(question, at, day)
    for model in at.catalog.models.values():
        if not _is_asked(model, question):
            continue
        found = reckoning.offer(model, needed)
        if isinstance(found, Dropped):
            dropped.append(found)
        else:
            offers.append(found)
    offers.sort(key=_rank)
    seat, offers, out = _seated(question, offers)
    dropped += out
    return Plan(
        mode=question.mode,
        needs=tuple(sorted(needed)),
        estimated_input_tokens=question.input_tokens + question.history_tokens,
        candidates=tuple(_candidate(offer, question, offers[0], seat) for offer in offers),
        dropped=tuple(dropped),
        confidence=_confidence(offers, seat),
        task=question.task.task,
        task_confidence=round(question.task.confidence, 4),
        difficulty=round(question.task.difficulty, 3),
        language=question.task.language,
        seat=seat,
        switch_cost_pico=max((o.switch_cost_pico for o in offers), default=0),
    )


def _is_asked(model: Model, question: Question) -> bool:
    if model.kind != "chat":
        return False
    incumbent = question.incumbent
    named = question.constraints.models
    return (
        model.auto
        or (named is not None and model.id in named)
        or (incumbent is not None and incumbent.model_id == model.id)
    )


class _Offer(Struct, frozen=True, kw_only=True):
    model: Model
    utility: float
    quality: float
    evidence: float
    cost_pico: int
    switch_cost_pico: int
    first_token_ms: float
    latency_s: float
    availability: float
    preference: float


class _Reckoning:
    def __init__(self, question: Question, at: Circumstances, day: date) -> None:
        self._question = question
        self._at = at
        self._day = day
        self._whole = question.input_tokens + question.history_tokens
        usual_input, usual_output = USUAL_RATES
        size = usual_input * self._whole + usual_output * 500
        scale = max(1.0, size / USUAL_COST_PICO) ** 0.75
        weights = question.weights
        self._per_pico = QUALITY_PER_USD * weights.cost * at.cost_pressure / scale / PICO_PER_USD
        self._per_second = QUALITY_PER_SECOND * weights.latency

    def offer(self, model: Model, needed: frozenset[str]) -> "_Offer | Dropped":
        question, at = self._question, self._at
        reason = question.constraints.forbid(model, at.hosts.get(model.host, UNKNOWN_HOST))
        if reason is not None:
            return Dropped(model_id=model.id, reason=reason)
        drop = misfit(
            model,
            question.request,
            needed=needed,  # type: ignore[arg-type]  # capabilities are checked where they enter
            available=at.available,
            input_tokens=question.input_tokens,
            day=self._day,
        )
        if drop is not None:
            return drop
        taken = self._taken(model)
        rates = self._rates(model, taken)
        if rates is None:
            return Dropped(model_id=model.id, reason="unpriced")
        offer = self._reckon(model, rates, taken)
        most = question.constraints.max_cost_pico
        if most is not None and offer.cost_pico > most:
            return Dropped(model_id=model.id, reason="too_expensive")
        return offer

    def _reckon(self, model: Model, rates: Rates, taken: int) -> _Offer:
        question, at = self._question, self._at
        quality, evidence = at.beliefs.quality(model, question.task)
        output = at.beliefs.output_tokens(
            model, question.task, most=min(question.request.max_tokens or model.max_output, model.max_output)
        )
        incumbent = question.incumbent
        stays = incumbent is not None and incumbent.model_id == model.id
        whole = call_pico(rates, input_tokens=taken, output_tokens=output)
        cost = whole
        if incumbent is not None and stays:
            cost = call_pico(
                rates, input_tokens=taken, output_tokens=output, cached_tokens=incumbent.cached_tokens
            )
        lost = 1.0 - taken / self._whole if self._whole else 0.0
        preference = question.preferences.get(model.id, 0.0)
        corrected = quality + question.corrections.get(model.id, 0.0)
        good = min(1.0, max(0.0, corrected + preference - SQUEEZED * lost))
        live = at.beliefs.performance(model, at.performance)
        latency_s = live.first_token_ms / 1000 + output / max(1.0, live.tokens_per_s)
        utility = (
            question.weights.quality * (live.availability * good - OUTAGE_PENALTY * (1 - live.availability))
            - self._per_pico * cost
            - self._per_second * latency_s
        )
        return _Offer(
            model=model,
            utility=utility,
            quality=good,
            evidence=evidence,
            cost_pico=cost,
            switch_cost_pico=whole - cost,
            first_token_ms=live.first_token_ms,
            latency_s=latency_s,
            availability=live.availability,
            preference=preference,
        )

    def _taken(self, model: Model) -> int:
        """Input tokens once the conversation has been fitted to the model's window."""
        answer = self._question.request.max_tokens or ASSUMED_OUTPUT_TOKENS
        room = min(model.max_input, model.window - answer)
        if self._whole <= room:
            return self._whole
        return max(self._question.input_tokens, int(room * FITTED_SHARE))

    def _rates(self, model: Model, taken: int) -> Rates | None:
        try:
            price = self._at.catalog.price_at(model, self._day)
        except UnknownPrice:
            return None
        return price.rates_for("standard", total_input=taken)


def _rank(offer: _Offer) -> tuple[float, int, str]:
    return -offer.utility, offer.cost_pico, offer.model.id


def _seated(question: Question, offers: list[_Offer]) -> tuple[Seat, list[_Offer], list[Dropped]]:
    """The conversation's model first, unless another gains enough; alone, while nobody else can go on."""
    incumbent = question.incumbent
    if incumbent is None:
        return "none", offers, []
    its = next((offer for offer in offers if offer.model.id == incumbent.model_id), None)
    if its is None:
        return "lost", offers, []
    others = [offer for offer in offers if offer is not its]
    if incumbent.locked:
        return "locked", [its], [Dropped(model_id=o.model.id, reason="tools_under_way") for o in others]
    unsure = 1.0 - question.task.confidence
    if others and others[0].utility - its.utility > MARGIN + (MARGIN_UNSURE - MARGIN) * unsure:
        return "left", offers, []
    return "kept", [its, *others], []


def _confidence(offers: list[_Offer], seat: Seat) -> float:
    """How probable it is that the first is at least as good a choice as the second: beliefs are uncertain."""
    if seat in ("locked", "kept") or len(offers) == 1:
        return 1.0 if offers else 0.0
    if not offers:
        return 0.0
    first, second = offers[:2]
    spread = math.sqrt(sum(o.quality * (1 - o.quality) / (1 + o.evidence) for o in (first, second)))
    gap = first.utility - second.utility
    return round(0.5 * (1 + math.erf(gap / max(1e-6, spread) / math.sqrt(2))), 4)


_SEATS: Mapping[Seat, str] = {
    "kept": "the conversation stays with it",
    "locked": "its tool calls are under way",
    "left": "gains more than the switch costs",
    "lost": "the conversation's model cannot answer",
    "none": "",
}


def _candidate(offer: _Offer, question: Question, first: _Offer, seat: Seat) -> Candidate:
    said = f"{question.task.task}: {offer.quality:.0%} good, about ${usd_text(_rounded(offer.cost_pico))}, "
    said += f"{offer.latency_s:.1f} s"
    if offer.preference:
        said += f", your own feedback {offer.preference:+.0%}"
    if offer.availability < 0.99:
        said += f", {offer.availability:.0%} available"
    if offer is first:
        said += f"; {_SEATS[seat]}" if _SEATS[seat] else f"; best for {question.mode}"
    return Candidate(
        model_id=offer.model.id,
        provider=offer.model.host,
        tier=offer.model.tier,
        reason=said,
        utility=round(offer.utility, 5),
        quality=round(offer.quality, 4),
        cost_pico=offer.cost_pico,
        latency_ms=round(offer.latency_s * 1000),
        first_token_ms=round(offer.first_token_ms),
        availability=round(offer.availability, 4),
        evidence=round(offer.evidence, 1),
        propensity=1.0 if offer is first else 0.0,
    )


def _rounded(pico: int) -> int:
    """To a millionth of a dollar: it is an estimate."""
    return round(pico, -6)
