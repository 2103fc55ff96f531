"""A routing decision as the HTTP surface shows it."""

from deployments.api.management.fields import Out
from models.money import usd_text
from models.routing import Candidate, Plan


class CandidateOut(Out):
    model: str
    provider: str
    tier: str
    reason: str
    utility: float
    quality: float
    cost_usd: str
    """Expected, before the call."""
    latency_ms: int
    first_token_ms: int
    availability: float
    evidence: float
    """Outcomes that stand behind `quality`."""
    propensity: float


class DroppedOut(Out):
    model: str
    reason: str
    missing: list[str]


class DecisionOut(Out):
    """`counterfactual_usd` is what each candidate was expected to cost in place of the first."""

    id: str
    mode: str
    task: str | None
    task_confidence: float
    difficulty: float
    language: str
    artefact: str
    """The digest of the classifier's manifest; empty where none was asked."""
    needs: list[str]
    estimated_input_tokens: int
    confidence: float
    seat: str
    switch_cost_usd: str
    explored: bool
    candidates: list[CandidateOut]
    dropped: list[DroppedOut]
    counterfactual_usd: dict[str, str]


def shown(plan: Plan) -> DecisionOut:
    return DecisionOut(
        id=plan.decision_id,
        mode=plan.mode,
        task=plan.task,
        task_confidence=plan.task_confidence,
        difficulty=plan.difficulty,
        language=plan.language,
        artefact=plan.artefact,
        needs=list(plan.needs),
        estimated_input_tokens=plan.estimated_input_tokens,
        confidence=plan.confidence,
        seat=plan.seat,
        switch_cost_usd=usd_text(plan.switch_cost_pico),
        explored=plan.explored,
        candidates=[_candidate(one) for one in plan.candidates],
        dropped=[
            DroppedOut(model=d.model_id, reason=d.reason, missing=list(d.missing)) for d in plan.dropped
        ],
        counterfactual_usd={one.model_id: usd_text(one.cost_pico) for one in plan.candidates[1:]},
    )


def _candidate(one: Candidate) -> CandidateOut:
    return CandidateOut(
        model=one.model_id,
        provider=one.provider,
        tier=one.tier,
        reason=one.reason,
        utility=one.utility,
        quality=one.quality,
        cost_usd=usd_text(one.cost_pico),
        latency_ms=one.latency_ms,
        first_token_ms=one.first_token_ms,
        availability=one.availability,
        evidence=one.evidence,
        propensity=one.propensity,
    )
