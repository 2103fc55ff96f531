"""The management surface over stores in memory, and clients of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.api.exchange import Receive, Scope, Send
from deployments.api.management import budgets, keys, me, requests
from deployments.api.management.access import PRINCIPAL
from deployments.api.management.app import create_management
from models.identity import Authenticator, InMemoryKeyStore, KeyRing, Principal
from models.ledger.budget_memory import InMemoryBudgetStore
from models.ledger.budgets import BudgetManager
from models.ledger.requests import InMemoryRequestLog
from models.routing.decisions import InMemoryDecisions
from tests.asgi import App, Client

PEPPER = bytes(range(32))
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""A Wednesday."""


class As:
    """What the outer application does: it says who calls, and what of the path is a query."""

    def __init__(self, app: App, principal: Principal | None) -> None:
        self._app = app
        self._principal = principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, _, query = scope["path"].partition("?")
        known = {} if self._principal is None else {PRINCIPAL: self._principal}
        await self._app({**scope, "path": path, "query_string": query.encode(), **known}, receive, send)


class Management:
    def __init__(self) -> None:
        self.now = NOON
        self.keys = InMemoryKeyStore()
        self.ring = KeyRing(self.keys, PEPPER)
        self.budgets = InMemoryBudgetStore(clock=lambda: self.now)
        self.manager = BudgetManager(self.budgets)
        self.log = InMemoryRequestLog()
        self.decisions = InMemoryDecisions()
        self.forgotten: list[str] = []
        self.app = create_management(
            [
                keys.router(self.ring, self.keys, self.manager, forget=self.forgotten.append),
                budgets.router(self.manager, self.keys, self.ring),
                me.router(self.manager),
                requests.router(self.log, self.decisions),
            ]
        )

    async def principal(self, user: str = "ann", *, tenant: str = "acme", **key: Any) -> Principal:
        issued = await self.ring.create_key(user, tenant=tenant, **key)
        return await Authenticator(self.keys, PEPPER).authenticate(issued.key)

    async def client(
        self, user: str = "ann", *, tenant: str = "acme", roles: Sequence[str] = (), **key: Any
    ) -> Client:
        return self.client_of(await self.principal(user, tenant=tenant, roles=roles, **key))

    async def admin(self, *, tenant: str = "acme") -> Client:
        return await self.client("root", tenant=tenant, roles=("admin",))

    def client_of(self, principal: Principal | None) -> Client:
        return Client(As(self.app, principal))

    def pass_time(self, **time: float) -> None:
        self.now += timedelta(**time)
