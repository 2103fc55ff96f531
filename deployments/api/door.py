"""What every request that is paid for passes before anything is done for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.api.errors import Dialect
from deployments.api.exchange import Exchange
from models.identity import ADMIN, Principal
from models.limits import Admission, Claim, Shedder, Who, headers_for, priority_of
from models.limits.priority import HEADER

_HEADER = HEADER.encode()


class Door:
    """Turns away what there is no room for: by how busy the gateway is, and by the limits of who asks."""

    def __init__(self, limits: Admission, shedder: Shedder) -> None:
        self._limits = limits
        self._shedder = shedder

    @asynccontextmanager
    async def passed(self, exchange: Exchange, who: Principal, dialect: Dialect) -> AsyncIterator[None]:
        """Raises Overloaded, RateLimited, and InvalidRequest for a priority that is none. What may be under
        way at once is free again when it ends."""
        said = exchange.headers.get(_HEADER, b"").decode("ascii", "replace")
        self._shedder.check(priority_of(said, may_be_high=ADMIN in who.roles))
        admitted = await self._limits.admit(
            Claim(who=Who(who.tenant_id, who.team_id, who.user_id, who.key_id))
        )
        exchange.named = headers_for(dialect, admitted.rates())
        try:
            yield
        finally:
            admitted.release()
