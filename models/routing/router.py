"""The router without its deployment."""

from datetime import UTC, datetime

from models.catalog import Catalog, Mode
from models.chat import ChatRequest
from models.routing.plan import Plan
from models.routing.rule import plan
from models.routing.tokens import estimate_input_tokens


class RuleRouter:
    """Decides by the stated rule of `models.routing.rule`, with today's prices."""

    def __init__(self, catalog: Catalog, available: frozenset[str]) -> None:
        self.use(catalog, available)

    def use(self, catalog: Catalog, available: frozenset[str]) -> None:
        """From the next decision on."""
        self._catalog = catalog
        self._available = available

    async def plan(self, request: ChatRequest, mode: Mode) -> Plan:
        return plan(
            request,
            mode=mode,
            catalog=self._catalog,
            available=self._available,
            estimated_input_tokens=estimate_input_tokens(request),
            when=datetime.now(UTC),
        )
