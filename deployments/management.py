"""What the management surface is made of, on the database of its own."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter, FastAPI

from deployments.api import batches
from deployments.api import files as uploads
from deployments.api.management import (
    alerts,
    budgets,
    conversations,
    decisions,
    discounts,
    estimate,
    feedback,
    keys,
    me,
    model_recommendations,
    model_status,
    reconciliation,
    requests,
    routing_policies,
    usage,
)
from deployments.api.management import limits as rate_limits
from deployments.api.management.app import create_management
from deployments.api.management.conversation_search import EmbedQuery
from deployments.settings import Args
from models.batches import BatchStore, FileStore
from models.caller import Caller
from models.catalog import Auto, Catalog, Mode, Model, Price
from models.chat import ChatRequest
from models.conversations import PostgresConversations
from models.conversations.transfer import Format
from models.errors import InvalidRequest
from models.gateway import Gateway
from models.identity import KeyRing, PostgresKeyStore, Principal
from models.ledger import reckon
from models.ledger.budget_store import PostgresBudgetStore
from models.ledger.budgets import BudgetManager
from models.ledger.discount_store import PostgresDiscounts
from models.ledger.estimates import quote, size_of
from models.ledger.requests import PostgresRequestLog
from models.limits import LimitBook, PostgresLimits
from models.providers import Format as WireFormat
from models.reconcile import Reconciler, ReconciliationStore, ReportAccess, connect_sources
from models.reports import CachedHistory, CostEstimator, CostOptimizer, PostgresReports
from models.routing import Plan, estimate_input_tokens, misfit, needs
from models.routing.decisions import PostgresDecisions
from models.routing.feedback import PostgresFeedback
from models.routing.performance import ModelStatus
from models.routing.policies import PostgresPolicies
from models.store import Database
from models.translation import read_history, write_history


def management(
    args: Args,
    database: Database,
    *,
    pepper: bytes,
    forget_key: Callable[[str], None],
    gateway: Gateway,
    limits: LimitBook,
    files: FileStore,
    changed: Callable[[str, int], None],
    embed_query: EmbedQuery | None = None,
    cache_routes: Callable[..., APIRouter] | None = None,
) -> FastAPI:
    """`forget_key` is told of revoked keys, `changed` of conversations and their versions; `gateway` knows
    what is in force."""

    def catalogue() -> Catalog:
        return gateway.catalog

    def available() -> frozenset[str]:
        return gateway.available

    def model_id(name: str) -> str:
        named = gateway.catalog.resolve(name)
        if isinstance(named, Auto):
            raise InvalidRequest("`auto` is for a request: name a model", param="model")
        return named.id

    events = args.alerts.event_log(database)
    reconciliations = ReconciliationStore(database)
    reconciler = Reconciler(
        reconciliations, lambda: connect_sources(ReportAccess()), catalog=catalogue, events=events
    )
    store, kept_decisions = PostgresKeyStore(database), PostgresDecisions(database)
    ring, manager = KeyRing(store, pepper), BudgetManager(PostgresBudgetStore(database))
    reports = PostgresReports(database)
    optimizer = CostOptimizer(
        reports, budgets=manager, catalog=catalogue, available=available, reckon=reckon, clock=_now
    )
    estimator = CostEstimator(
        catalog=catalogue,
        available=available,
        history=CachedHistory(reports, clock=_now),
        count_input=estimate_input_tokens,
        ceiling=_ceiling,
        reckon=reckon,
        clock=_now,
        misfit=_misfit,
    )
    own = () if cache_routes is None else (cache_routes(store, model_id=model_id),)
    return create_management(
        [
            *own,
            keys.router(ring, store, manager, forget=forget_key),
            budgets.router(manager, store, ring),
            me.router(manager),
            requests.router(PostgresRequestLog(database), kept_decisions),
            decisions.router(kept_decisions),
            feedback.router(PostgresFeedback(database)),
            model_recommendations.router(partial(_recommend, gateway)),
            model_status.router(partial(_statuses, gateway)),
            routing_policies.router(PostgresPolicies(database), store),
            usage.router(optimizer, store),
            estimate.router(estimator),
            conversations.router(
                PostgresConversations(database, changed=changed),
                formats=_FORMATS,
                embed_query=embed_query,
                left_behind=gateway.router.regenerated,
            ),
            discounts.router(PostgresDiscounts(database)),
            rate_limits.router(
                PostgresLimits(database), store, ring, book=limits, ops_tenant=args.alerts.ops_tenant
            ),
            uploads.router(files),
            batches.router(BatchStore(database), files),
            alerts.router(args.alerts.channels(database, pepper=pepper), events),
            reconciliation.router(reconciliations, reconciler, ops_tenant=args.alerts.ops_tenant),
        ]
    )


_WIRES: Mapping[str, WireFormat] = {
    "openai": "openai_chat",
    "openai_responses": "openai_responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
}
_FORMATS = {
    name: Format(partial(read_history, wire), partial(write_history, wire)) for name, wire in _WIRES.items()
}
"""What conversations can be exported to and imported from."""


async def _recommend(
    gateway: Gateway, request: ChatRequest, mode: Mode, who: Principal, conversation_id: str
) -> Plan:
    caller = Caller(who, request_id="", endpoint=model_recommendations.PATH, conversation_id=conversation_id)
    return await gateway.recommend(request, mode, caller)


def _statuses(gateway: Gateway) -> Sequence[ModelStatus]:
    return gateway.router.conditions.statuses(sorted(gateway.available))


def _now() -> datetime:
    return datetime.now(UTC)


def _ceiling(request: ChatRequest, model: Model, price: Price) -> int:
    return quote(request, size_of(request), model=model, price=price).most_pico


def _misfit(model: Model, request: ChatRequest, input_tokens: int) -> str | None:
    dropped = misfit(
        model,
        request,
        needed=needs(request),
        available={model.id},
        input_tokens=input_tokens,
        day=_now().date(),
    )
    return None if dropped is None else dropped.reason
