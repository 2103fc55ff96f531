"""`/v1/reconciliations`: the ledger against the providers' reports, for those who run the installation."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from deployments.api.management.access import Admin
from deployments.api.management.fields import In, Limit, Out, Page, Text, page
from models.errors import DeadlineExceeded, PermissionDenied
from models.identity import Principal
from models.money import usd_text
from models.reconcile import (
    Filter,
    ProviderRun,
    Reconciler,
    ReconciliationStore,
    Recorded,
    RunReport,
    Status,
    Tokens,
)

RUN_S = 60.0
"""How long a caller waits for a run; what it has compared by then is kept."""


class ReconciliationsWanted(In):
    provider: Text | None = None
    model: Text | None = Field(None, description="The catalogue's id.")
    status: Status | None = None
    start: AwareDatetime | None = Field(None, description="Buckets that begin from then on.")
    end: AwareDatetime | None = Field(None, description="Buckets that begin before then.")
    every_version: bool = Field(False, description="Also what a later version has replaced.")
    after: int | None = Field(
        None, ge=1, le=2**63 - 1, description="The id of the last one of the page before."
    )
    limit: Limit = 100


class TokensOut(Out):
    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int


class ReconciliationOut(Out):
    object: Literal["reconciliation"] = "reconciliation"
    id: int
    provider: str
    model: str
    bucket_start: datetime
    bucket_end: datetime
    version: int
    status: Status
    reason: str
    """Why it waits."""
    ledger_usd: str
    estimated_usd: str
    """The part of `ledger_usd` that is an estimate."""
    provider_usd: str | None
    drift_usd: str
    """What the provider billed beyond the ledger, calls under way at the bucket's ends apart."""
    drift_without_estimates_usd: str | None
    adjustment_usd: str
    """What this version moved; the transfer's key is `adjustment`."""
    adjustment: str | None
    ledger_tokens: TokensOut
    provider_tokens: TokensOut | None
    at: datetime


class ProviderRunOut(Out):
    provider: str
    state: str
    error: str
    buckets: dict[Status, int]
    recorded: int
    duplicates: int
    ledger_usd: str
    estimated_usd: str
    provider_usd: str
    drift_usd: str
    adjusted_usd: str


class RunOut(Out):
    object: Literal["reconciliation_run"] = "reconciliation_run"
    busy: bool
    """Another process is at it, so nothing was done."""
    at: datetime | None
    providers: list[ProviderRunOut]


def router(
    store: ReconciliationStore,
    reconciler: Reconciler,
    *,
    ops_tenant: str = "default",
    run_s: float = RUN_S,
) -> APIRouter:
    """Administrators of `ops_tenant` only: bills are of all tenants together."""
    reconciliations = _Reconciliations(store, reconciler, ops_tenant, run_s)
    routes = APIRouter(prefix="/v1", tags=["reconciliation"])
    routes.add_api_route("/reconciliations", reconciliations.page, methods=["GET"])
    routes.add_api_route("/reconciliations/run", reconciliations.run, methods=["POST"])
    return routes


class _Reconciliations:
    def __init__(
        self, store: ReconciliationStore, reconciler: Reconciler, ops_tenant: str, run_s: float
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._ops_tenant = ops_tenant
        self._run_s = run_s

    async def page(
        self, caller: Admin, wanted: Annotated[ReconciliationsWanted, Query()]
    ) -> Page[ReconciliationOut]:
        """What was recorded last comes first."""
        await self._check(caller)
        asked = Filter(
            provider=wanted.provider,
            model_id=wanted.model,
            status=wanted.status,
            start=wanted.start,
            end=wanted.end,
            every_version=wanted.every_version,
            before=wanted.after,
            limit=wanted.limit + 1,
        )
        return page(await self._store.listing(asked), wanted.limit, _reconciliation)

    async def run(self, caller: Admin) -> RunOut:
        """Compare now."""
        await self._check(caller)
        try:
            async with asyncio.timeout(self._run_s):
                return _run(await self._reconciler.run())
        except TimeoutError:
            raise DeadlineExceeded("the run takes longer; what it has compared is kept") from None

    async def _check(self, caller: Principal) -> None:
        if not await self._store.operates(caller.tenant_id, self._ops_tenant):
            raise PermissionDenied("this is for those who run the installation")


def _reconciliation(recorded: Recorded) -> ReconciliationOut:
    outcome = recorded.outcome
    tokens, exact = outcome.provider_tokens, outcome.drift_without_estimates_pico
    return ReconciliationOut(
        id=recorded.id,
        provider=outcome.provider,
        model=outcome.model_id,
        bucket_start=outcome.start,
        bucket_end=outcome.end,
        version=recorded.version,
        status=outcome.status,
        reason=outcome.reason,
        ledger_usd=usd_text(outcome.ledger.pico),
        estimated_usd=usd_text(outcome.ledger.estimated_pico),
        provider_usd=None if outcome.provider_pico is None else usd_text(outcome.provider_pico),
        drift_usd=usd_text(outcome.drift_pico),
        drift_without_estimates_usd=None if exact is None else usd_text(exact),
        adjustment_usd=usd_text(recorded.adjustment_pico),
        adjustment=recorded.op_key,
        ledger_tokens=_tokens(outcome.ledger.tokens),
        provider_tokens=None if tokens is None else _tokens(tokens),
        at=recorded.at,
    )


def _tokens(tokens: Tokens) -> TokensOut:
    return TokensOut(
        input=tokens.input,
        cache_read=tokens.cache_read,
        cache_write_5m=tokens.cache_write_5m,
        cache_write_1h=tokens.cache_write_1h,
        output=tokens.output,
    )


def _run(report: RunReport) -> RunOut:
    return RunOut(busy=report.busy, at=report.at, providers=[_provider(run) for run in report.providers])


def _provider(run: ProviderRun) -> ProviderRunOut:
    return ProviderRunOut(
        provider=run.provider,
        state=run.state,
        error=run.error,
        buckets=run.buckets,
        recorded=run.recorded,
        duplicates=run.duplicates,
        ledger_usd=usd_text(run.ledger_pico),
        estimated_usd=usd_text(run.estimated_pico),
        provider_usd=usd_text(run.provider_pico),
        drift_usd=usd_text(run.drift_pico),
        adjusted_usd=usd_text(run.adjusted_pico),
    )
