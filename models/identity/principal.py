"""Who a request acts for."""

from msgspec import Struct

ADMIN = "admin"


class Principal(Struct, frozen=True):
    key_id: str
    user_id: str
    tenant_id: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    """What the key may be used for; empty means everything that the roles allow."""
    team_id: str | None = None
    """The team that the key spends for."""
    discount_basis_points: int = 0
    """What its volume has earned it, in 1/10,000 of the list price."""

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.roles
