"""`/api/chat/cost-estimate`: what a message would cost, with one model or with each."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from deployments.api.management.access import Caller
from deployments.api.management.fields import In, Name, Out
from models.chat import ChatRequest, Message, Text
from models.dialects import openai_chat
from models.identity import Principal
from models.money import usd_text
from models.reports import CostEstimate, CostEstimator, Owner
from models.reports.estimate import Range

PATH = "/api/chat/cost-estimate"

_BODY = {
    "requestBody": {
        "description": "A whole body of `POST /v1/chat/completions`; `model` may be `auto`.",
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}},
    }
}


class EstimateWanted(In):
    message: str = Field(min_length=1, max_length=5_000)
    model_id: Name | None = Field(None, description="Of all models that can be called without one.")
    camel_model_id: Name | None = Field(None, alias="modelId", description="As `model_id`.")

    @model_validator(mode="after")
    def _named_once(self) -> "EstimateWanted":
        if self.model_id and self.camel_model_id:
            raise ValueError("`modelId` and `model_id` are the same")
        return self

    @property
    def model(self) -> str:
        return self.model_id or self.camel_model_id or "auto"


class _Camel(Out):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class TokenRange(_Camel):
    low: int
    expected: int
    high: int


class CostRange(_Camel):
    low: str
    expected: str
    high: str


class EstimateOut(_Camel):
    """Amounts are USD in plain decimals."""

    model_id: str
    provider: str
    input_tokens: int
    output_tokens: TokenRange
    cost_usd: CostRange
    maximum_usd: str
    """What would be held for the call: it never costs more."""
    assumptions: list[str]
    price_snapshot: str


class EstimatesOut(_Camel):
    """One for each model that can be called and could answer, the cheapest first."""

    estimates: list[EstimateOut]


def router(estimator: CostEstimator) -> APIRouter:
    async def estimate(
        caller: Caller, wanted: Annotated[EstimateWanted, Query()]
    ) -> EstimateOut | EstimatesOut:
        """What a message would cost with a model, or, without `modelId`, with each that can be called."""
        request = ChatRequest(model=wanted.model, messages=(Message("user", (Text(wanted.message),)),))
        return await answer(request, caller)

    async def estimate_body(caller: Caller, request: Request) -> EstimateOut | EstimatesOut:
        """The same of a whole chat request: its history, tools and limits count."""
        return await answer(openai_chat.decode(await request.body()).request, caller)

    async def answer(request: ChatRequest, caller: Principal) -> EstimateOut | EstimatesOut:
        found = await estimator.estimate(request, owner=Owner(caller.tenant_id, caller.user_id))
        if isinstance(found, CostEstimate):
            return _show(found)
        return EstimatesOut(estimates=[_show(one) for one in found])

    routes = APIRouter(tags=["chat"])
    routes.add_api_route(PATH, estimate, methods=["GET"])
    routes.add_api_route(PATH, estimate_body, methods=["POST"], openapi_extra=_BODY)
    return routes


def _show(found: CostEstimate) -> EstimateOut:
    output = found.output_tokens
    return EstimateOut(
        model_id=found.model_id,
        provider=found.provider,
        input_tokens=found.input_tokens,
        output_tokens=TokenRange(low=output.low, expected=output.expected, high=output.high),
        cost_usd=_usd(found.cost_pico),
        maximum_usd=usd_text(found.maximum_pico),
        assumptions=list(found.assumptions),
        price_snapshot=found.price_snapshot,
    )


def _usd(amounts: Range) -> CostRange:
    return CostRange(
        low=usd_text(amounts.low), expected=usd_text(amounts.expected), high=usd_text(amounts.high)
    )
