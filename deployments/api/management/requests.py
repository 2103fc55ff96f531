"""`/v1/requests`: what became of a request, and what it cost."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field

from deployments.api.management.access import Caller, administers
from deployments.api.management.decision_views import DecisionOut, shown
from deployments.api.management.fields import In, Limit, Out, Page, page
from models.errors import NotFound
from models.identity import Principal
from models.ledger.requests import Movement, OpenHold, RequestLog, Trail
from models.ledger.usage import Status, UsageRecord
from models.money import usd_text
from models.routing.decisions import Decisions

_ID = r"[A-Za-z0-9._-]{1,128}"
RequestId = Annotated[str, Path(pattern=f"^{_ID}$")]


class RequestsWanted(In):
    after: str = Field("", pattern=f"^({_ID})?$", description="The id of the last one of the page before.")
    limit: Limit = 100


class AttemptOut(Out):
    attempt: int
    model: str
    provider: str
    status: Status
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    service_tier: str
    cost_usd: str
    discount_usd: str
    saved_usd: str
    estimated: bool
    price_snapshot: str
    started_at: datetime
    response_time_ms: int
    first_token_ms: int | None
    error: str | None


class HeldOut(Out):
    """An attempt that is under way."""

    attempt: int
    model: str
    provider: str
    held_usd: str
    started_at: datetime


class TransferOut(Out):
    attempt: int
    kind: Literal["reserve", "settle", "release", "expire", "adjust"]
    amount_usd: str
    posted_usd: str
    price_snapshot: str
    estimated: bool
    at: datetime


class RequestOut(Out):
    object: Literal["request"] = "request"
    id: str
    status: Status | Literal["in_flight"]
    requested_model: str
    model: str
    provider: str
    endpoint: str
    stream: bool
    task: str | None
    user_id: str | None
    team_id: str | None
    key_id: str | None
    conversation_id: str | None
    created_at: datetime
    cost_usd: str
    discount_usd: str
    saved_usd: str
    estimated: bool
    attempts: list[AttemptOut]


class RequestTrail(RequestOut):
    in_flight: list[HeldOut]
    transfers: list[TransferOut]
    decision: DecisionOut | None
    """Of requests that left the choice to the router."""


def router(log: RequestLog, decisions: Decisions) -> APIRouter:
    requests = _Requests(log, decisions)
    routes = APIRouter(prefix="/v1", tags=["requests"])
    routes.add_api_route("/requests", requests.page, methods=["GET"])
    routes.add_api_route("/requests/{request_id}", requests.get, methods=["GET"])
    return routes


class _Requests:
    def __init__(self, log: RequestLog, decisions: Decisions) -> None:
        self._log = log
        self._decisions = decisions

    async def page(self, caller: Caller, wanted: Annotated[RequestsWanted, Query()]) -> Page[RequestOut]:
        """Requests that have ended, newest first: your own; an administrator's tenant's."""
        found = await self._log.page(
            caller.tenant_id, user_id=_whose(caller), after=wanted.after, limit=wanted.limit + 1
        )
        return page(found, wanted.limit, _request)

    async def get(self, caller: Caller, request_id: RequestId) -> RequestTrail:
        """Every attempt, every movement of money, and why the router chose as it did."""
        found = await self._log.find(caller.tenant_id, request_id, user_id=_whose(caller))
        if found is None:
            raise NotFound(f"there is no request {request_id}")
        plan = await self._decisions.find(caller.tenant_id, request_id, user_id=_whose(caller))
        return RequestTrail(
            **_request(found).model_dump(),
            in_flight=[_held(hold) for hold in found.holds],
            transfers=[_transfer(movement) for movement in found.movements],
            decision=None if plan is None else shown(plan),
        )


def _whose(caller: Principal) -> str | None:
    return None if administers(caller) else caller.user_id


def _request(trail: Trail) -> RequestOut:
    records = [*trail.attempts, *(hold.record for hold in trail.holds)]
    # Of two that were asked at once the one that answered need not be the last.
    last = next((record for record in records if record.status == "completed"), records[-1])
    return RequestOut(
        id=trail.request_id,
        status="in_flight" if trail.holds else last.status,
        requested_model=last.requested_model,
        model=last.model_id,
        provider=last.provider,
        endpoint=last.endpoint,
        stream=last.stream,
        task=last.task,
        user_id=last.user_id,
        team_id=last.team_id,
        key_id=last.key_id,
        conversation_id=last.conversation_id,
        created_at=records[0].created_at,
        cost_usd=usd_text(trail.cost_pico),
        discount_usd=usd_text(sum(attempt.discount_pico for attempt in trail.attempts)),
        saved_usd=usd_text(sum(attempt.saved_pico for attempt in trail.attempts)),
        estimated=any(attempt.estimated for attempt in trail.attempts),
        attempts=[_attempt(attempt) for attempt in trail.attempts],
    )


def _attempt(record: UsageRecord) -> AttemptOut:
    return AttemptOut(
        attempt=record.attempt,
        model=record.model_id,
        provider=record.provider,
        status=record.status,
        input_tokens=record.input_tokens,
        cache_read_tokens=record.cache_read_tokens,
        cache_write_5m_tokens=record.cache_write_5m_tokens,
        cache_write_1h_tokens=record.cache_write_1h_tokens,
        output_tokens=record.output_tokens,
        reasoning_tokens=record.reasoning_tokens,
        service_tier=record.service_tier,
        cost_usd=usd_text(record.cost_pico),
        discount_usd=usd_text(record.discount_pico),
        saved_usd=usd_text(record.saved_pico),
        estimated=record.estimated,
        price_snapshot=record.price_snapshot,
        started_at=record.created_at,
        response_time_ms=record.response_time_ms,
        first_token_ms=record.first_token_ms,
        error=record.error_code,
    )


def _held(hold: OpenHold) -> HeldOut:
    return HeldOut(
        attempt=hold.record.attempt,
        model=hold.record.model_id,
        provider=hold.record.provider,
        held_usd=usd_text(hold.amount_pico),
        started_at=hold.record.created_at,
    )


def _transfer(movement: Movement) -> TransferOut:
    return TransferOut(
        attempt=int(movement.op_key.partition("/")[2].partition(":")[0]),
        kind=movement.kind,
        amount_usd=usd_text(movement.amount_pico),
        posted_usd=usd_text(movement.posted_pico),
        price_snapshot=movement.price_snapshot,
        estimated=movement.estimated,
        at=movement.at,
    )
