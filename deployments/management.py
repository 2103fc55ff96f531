"""What the management surface is made of, on the database of its own."""

from collections.abc import Callable

from fastapi import FastAPI

from deployments.api.management import alerts, budgets, discounts, keys, me, reconciliation, requests
from deployments.api.management.app import create_management
from deployments.settings import Args
from models.catalog import Catalog
from models.identity import KeyRing, PostgresKeyStore
from models.ledger.budget_store import PostgresBudgetStore
from models.ledger.budgets import BudgetManager
from models.ledger.discount_store import PostgresDiscounts
from models.ledger.requests import PostgresRequestLog
from models.reconcile import Reconciler, ReconciliationStore, ReportAccess, connect_sources
from models.store import Database


def management(
    args: Args,
    database: Database,
    *,
    pepper: bytes,
    forget_key: Callable[[str], None],
    catalogue: Callable[[], Catalog],
) -> FastAPI:
    """`forget_key` is told of revoked keys, `catalogue` gives the one in force."""
    events = args.alerts.event_log(database)
    reconciliations = ReconciliationStore(database)
    reconciler = Reconciler(
        reconciliations, lambda: connect_sources(ReportAccess()), catalog=catalogue, events=events
    )
    store = PostgresKeyStore(database)
    ring, manager = KeyRing(store, pepper), BudgetManager(PostgresBudgetStore(database))
    return create_management(
        [
            keys.router(ring, store, manager, forget=forget_key),
            budgets.router(manager, store, ring),
            me.router(manager),
            requests.router(PostgresRequestLog(database)),
            discounts.router(PostgresDiscounts(database)),
            alerts.router(args.alerts.channels(database, pepper=pepper), events),
            reconciliation.router(reconciliations, reconciler, ops_tenant=args.alerts.ops_tenant),
        ]
    )
