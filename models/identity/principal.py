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

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.roles
