"""A routing decision as a value: whom to ask, in which order, and why the others are not asked."""

from typing import Literal

from msgspec import Struct

from models.catalog import Capability, Mode, Tier
from models.routing.task import Task

DropReason = Literal[
    "unavailable",
    "retired",
    "unpriced",
    "input_too_long",
    "output_too_long",
    "missing_capability",
    "not_allowed",
    "too_expensive",
    "region",
    "data_policy",
    "tools_under_way",
]
Seat = Literal["none", "kept", "left", "locked", "lost"]
"""What became of the model that a conversation has been with; `lost`: it cannot answer any more."""


class Candidate(Struct, frozen=True, kw_only=True):
    model_id: str
    provider: str
    """The host's id."""
    tier: Tier
    reason: str
    utility: float = 0.0
    """What the candidates are ranked by: quality less what cost and time are worth."""
    quality: float = 0.0
    """The probability that its answer is good, for this request and this user."""
    cost_pico: int = 0
    """What the call is expected to cost."""
    latency_ms: int = 0
    """Until the whole answer is there."""
    first_token_ms: int = 0
    availability: float = 1.0
    evidence: float = 0.0
    """How many outcomes stand behind `quality`."""
    propensity: float = 1.0
    """How probable it was that it is the first."""


class Dropped(Struct, frozen=True, kw_only=True):
    model_id: str
    reason: DropReason
    missing: tuple[Capability, ...] = ()
    """With `missing_capability`: what the request needs and the model lacks."""


class ModelAlternative(Struct, frozen=True, kw_only=True, rename="camel"):
    model_id: str
    provider: str
    reasoning: str


class ModelSelection(Struct, frozen=True, kw_only=True, rename="camel"):
    """The decision as the HTTP surface shows it."""

    model_id: str
    provider: str
    confidence: float
    reasoning: str
    alternatives: tuple[ModelAlternative, ...]


class Plan(Struct, frozen=True, kw_only=True):
    """`candidates` are to be tried in order; none are left where nothing can serve the request."""

    mode: Mode
    needs: tuple[Capability, ...]
    estimated_input_tokens: int
    candidates: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]
    confidence: float
    task: Task | None = None
    task_confidence: float = 0.0
    difficulty: float = 0.5
    language: str = ""
    artefact: str = ""
    """The digest of the manifest of the classifier that told the task; empty where none did."""
    decision_id: str = ""
    seat: Seat = "none"
    switch_cost_pico: int = 0
    """What leaving the conversation's model loses of its prompt cache."""
    explored: bool = False
    """The first is not the one that is thought best."""

    def selection(self) -> ModelSelection | None:
        """The first candidate and, as alternatives, the others."""
        if not self.candidates:
            return None
        first, *others = self.candidates
        return ModelSelection(
            model_id=first.model_id,
            provider=first.provider,
            confidence=self.confidence,
            reasoning=first.reason,
            alternatives=tuple(
                ModelAlternative(model_id=c.model_id, provider=c.provider, reasoning=c.reason) for c in others
            ),
        )
