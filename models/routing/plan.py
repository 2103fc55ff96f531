"""A routing decision as a value: whom to ask, in which order, and why the others are not asked."""

from typing import Literal

from msgspec import Struct

from models.catalog import Capability, Mode, Tier

DropReason = Literal[
    "unavailable", "retired", "unpriced", "input_too_long", "output_too_long", "missing_capability"
]


class Candidate(Struct, frozen=True, kw_only=True):
    model_id: str
    provider: str
    """The host's id."""
    tier: Tier
    reason: str


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
