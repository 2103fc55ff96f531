"""A budget: what one owner may spend in each window of a period."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from models.ledger.windows import Period

Scope = Literal["tenant", "team", "user", "key", "conversation"]


class Owners(Struct, frozen=True, kw_only=True):
    """Whose budgets a call counts against."""

    tenant_id: str
    team_id: str | None = None
    user_id: str | None = None
    key_id: str | None = None
    conversation_id: str | None = None

    def owns(self, budget: "Budget") -> bool:
        owner: str | None = getattr(self, f"{budget.scope}_id")
        return budget.tenant_id == self.tenant_id and budget.owner == owner


class Budget(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    scope: Scope
    owner: str
    """The id of what `scope` names; of a conversation, the client's own name for it."""
    period: Period
    rolling_hours: int | None = None
    """The length of a rolling period; of no other."""
    limit_pico: int
    hard: bool = True
    """A soft one stops nobody."""
    name: str = ""
    created_at: datetime
    ended_at: datetime | None = None


class NewBudget(Struct, frozen=True, kw_only=True):
    """A budget to be made, with an id, so that making it again changes nothing."""

    id: str
    tenant_id: str
    scope: Scope
    owner: str
    period: Period
    rolling_hours: int | None = None
    limit_pico: int
    hard: bool = True
    name: str = ""


class Change(Struct, frozen=True, kw_only=True):
    """What shall be different; None leaves it as it is."""

    limit_pico: int | None = None
    hard: bool | None = None
    name: str | None = None


def changed(budget: Budget, change: Change) -> Budget:
    return replace(
        budget,
        limit_pico=budget.limit_pico if change.limit_pico is None else change.limit_pico,
        hard=budget.hard if change.hard is None else change.hard,
        name=budget.name if change.name is None else change.name,
    )
