"""`/api/chat/model-recommendations`: which models would do for a message, and why."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from deployments.api.management.access import Caller
from deployments.api.management.fields import In, Out
from models.catalog import Mode
from models.chat import ChatRequest, Message, Text
from models.identity import Principal
from models.money import usd_text
from models.routing import Candidate, Plan

PATH = "/api/chat/model-recommendations"

_ID = r"^[A-Za-z0-9._:-]{1,128}$"

Recommend = Callable[[ChatRequest, Mode, Principal, str], Awaitable[Plan]]
"""The router's plan for a request in a conversation, `""` for none; without exploration. Raises NotFound for
a conversation that the caller does not have."""


class RecommendationsWanted(In):
    query: str = Field(min_length=1, max_length=5_000)
    conversation_id: str | None = Field(None, pattern=_ID)
    camel_conversation_id: str | None = Field(None, alias="conversationId", pattern=_ID)
    mode: Mode = "balanced"
    limit: int = Field(5, ge=1, le=50)

    @model_validator(mode="after")
    def _named_once(self) -> "RecommendationsWanted":
        if self.conversation_id and self.camel_conversation_id:
            raise ValueError("`conversationId` and `conversation_id` are the same")
        return self

    @property
    def conversation(self) -> str:
        return self.conversation_id or self.camel_conversation_id or ""


class _Camel(Out):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class TaskOut(_Camel):
    name: str | None
    confidence: float
    difficulty: float
    language: str


class EvidenceOut(_Camel):
    outcomes: float
    """That stand behind the quality, those of public results included."""
    availability: float


class RecommendationOut(_Camel):
    rank: int
    model_id: str
    provider: str
    tier: str
    score: float
    """What the models are ranked by: quality less what cost and time are worth in this mode."""
    quality: float
    """The probability that the answer is good."""
    reasoning: str
    estimated_cost_usd: str
    estimated_latency_ms: int
    estimated_first_token_ms: int
    evidence: EvidenceOut


class DroppedOut(_Camel):
    model_id: str
    reason: str


class RecommendationsOut(_Camel):
    mode: str
    confidence: float
    task: TaskOut
    recommendations: list[RecommendationOut]
    dropped: list[DroppedOut]
    conversation: str
    """What becomes of the model that the conversation is with: `none` outside of one."""


def router(recommend: Recommend) -> APIRouter:
    async def recommendations(
        caller: Caller, wanted: Annotated[RecommendationsWanted, Query()]
    ) -> RecommendationsOut:
        """Models that could answer, best first, with reasons and what each would take."""
        request = ChatRequest(model="auto", messages=(Message("user", (Text(wanted.query),)),))
        plan = await recommend(request, wanted.mode, caller, wanted.conversation)
        return _show(plan, wanted.limit)

    routes = APIRouter(tags=["chat"])
    routes.add_api_route(PATH, recommendations, methods=["GET"])
    return routes


def _show(plan: Plan, limit: int) -> RecommendationsOut:
    return RecommendationsOut(
        mode=plan.mode,
        confidence=plan.confidence,
        task=TaskOut(
            name=plan.task,
            confidence=plan.task_confidence,
            difficulty=plan.difficulty,
            language=plan.language,
        ),
        recommendations=[_one(rank, one) for rank, one in enumerate(plan.candidates[:limit], 1)],
        dropped=[DroppedOut(model_id=drop.model_id, reason=drop.reason) for drop in plan.dropped],
        conversation=plan.seat,
    )


def _one(rank: int, one: Candidate) -> RecommendationOut:
    return RecommendationOut(
        rank=rank,
        model_id=one.model_id,
        provider=one.provider,
        tier=one.tier,
        score=one.utility,
        quality=one.quality,
        reasoning=one.reason,
        estimated_cost_usd=usd_text(one.cost_pico),
        estimated_latency_ms=one.latency_ms,
        estimated_first_token_ms=one.first_token_ms,
        evidence=EvidenceOut(outcomes=one.evidence, availability=one.availability),
    )
